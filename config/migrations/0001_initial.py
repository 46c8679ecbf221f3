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
                ('id', models.CharField(editable=False, max_length=150, primary_key=True, serialize=False, unique=True)),
                ('prefix', models.CharField(editable=False, max_length=8, unique=True)),
                ('hashed_key', models.CharField(editable=False, max_length=150)),
                ('created', models.DateTimeField(auto_now_add=True, db_index=True)),
                ('name', models.CharField(default=None, help_text='A free-form name for the API key. Need not be unique. 50 characters max.', max_length=50)),
                ('revoked', models.BooleanField(blank=True, default=False, help_text='If the API key is revoked, clients cannot use it anymore. (This cannot be undone.)')),
                ('expiry_date', models.DateTimeField(blank=True, help_text='Once API key expires, clients cannot use it anymore.', null=True, verbose_name='Expires')),
                ('audience', models.CharField(choices=[('public', 'Public'), ('verified', 'Verified'), ('staff', 'Staff')], default='public', max_length=10)),
                ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50), default=list, help_text='for example catalog:read', size=None)),
                ('province', models.CharField(blank=True, help_text='two letters, for example ON', max_length=2)),
                ('rate', models.CharField(default='600/min', help_text='requests per sec, min, hour or day', max_length=20)),
            ],
            options={
                'verbose_name': 'API key',
                'verbose_name_plural': 'API keys',
                'db_table': 'api_keys',
                'ordering': ('-created',),
                'abstract': False,
            },
        ),
    ]
