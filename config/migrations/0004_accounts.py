"""Second factors of staff, and sessions of the console by user."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('config', '0003_key_bindings'),
    ]

    operations = [
        migrations.CreateModel(
            name='ConsoleSession',
            fields=[
                ('session_key', models.CharField(db_comment="key that the browser's cookie holds", max_length=40, primary_key=True, serialize=False, verbose_name='session key')),
                ('session_data', models.TextField(db_comment='signed contents', verbose_name='session data')),
                ('expire_date', models.DateTimeField(db_comment='when the session ends unless a request comes before', db_index=True, verbose_name='expire date')),
                ('user_id', models.IntegerField(db_comment='user who is logged in; NULL: before the login', db_index=True, null=True)),
            ],
            options={
                'db_table': 'console_sessions',
                'db_table_comment': 'sessions of the console',
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='SecondFactor',
            fields=[
                ('user', models.OneToOneField(db_comment='whose it is', on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='second_factor', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('encrypted_secret', models.BinaryField(db_comment='secret of the codes, encrypted with the key ring for this user')),
                ('confirmed_at', models.DateTimeField(db_comment='when the first code was accepted; NULL: not in force', null=True)),
                ('last_step', models.BigIntegerField(db_comment='period of 30 seconds of the last accepted code; none is used twice', default=0)),
                ('recovery_codes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=64), db_comment='SHA-256 of the recovery codes that are left', default=list, size=None)),
                ('failure_count', models.PositiveIntegerField(db_comment='refused codes since the last accepted one', default=0)),
                ('failed_at', models.DateTimeField(db_comment='when a code was last refused', null=True)),
            ],
            options={
                'db_table': 'second_factors',
                'db_table_comment': 'second factors of staff: authenticator apps and recovery codes',
                'default_permissions': (),
            },
        ),
    ]
