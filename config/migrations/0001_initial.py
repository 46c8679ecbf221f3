import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('id', models.CharField(editable=False, max_length=150, primary_key=True, serialize=False, unique=True, db_comment='prefix and hash, as the library builds its key')),
                ('prefix', models.CharField(editable=False, max_length=8, unique=True, db_comment='first characters of the key; they identify it in lists and logs')),
                ('hashed_key', models.CharField(editable=False, max_length=150, db_comment='hash of the key; the key itself is not stored')),
                ('created', models.DateTimeField(auto_now_add=True, db_index=True, db_comment='when the key was created')),
                ('name', models.CharField(default=None, help_text='A free-form name for the API key. Need not be unique. 50 characters max.', max_length=50, db_comment='name of the client')),
                ('revoked', models.BooleanField(blank=True, default=False, help_text='If the API key is revoked, clients cannot use it anymore. (This cannot be undone.)', db_comment='whether the key is refused')),
                ('expiry_date', models.DateTimeField(blank=True, help_text='Once API key expires, clients cannot use it anymore.', null=True, verbose_name='Expires', db_comment='from when the key is refused; NULL: never')),
                ('audience', models.CharField(choices=[('public', 'Public'), ('verified', 'Verified'), ('staff', 'Staff')], default='public', max_length=10, db_comment='audience whose fields the client may see: public, verified or staff')),
                ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50), default=list, help_text='for example catalog:read', size=None, db_comment='what the client may do, for example events:write')),
                ('province', models.CharField(blank=True, help_text='two letters, for example ON', max_length=2, db_comment='province of the client; empty: any')),
                ('rate', models.CharField(default='600/min', help_text='requests per sec, min, hour or day', max_length=20, db_comment='requests allowed, for example 600/min; empty: the default')),
            ],
            options={'db_table_comment': 'API keys of REST clients, with audience, scopes, province and rate limit', 
                'verbose_name': 'API key',
                'verbose_name_plural': 'API keys',
                'db_table': 'api_keys',
                'ordering': ('-created',),
                'abstract': False,
            },
        ),
    ]
