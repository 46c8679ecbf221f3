"""Webhooks, their deliveries, and the triggers that fill them from the outbox."""

from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import uuid
from django.db import migrations, models

_TRIGGERS = (Path(__file__).parent / "sql" / "webhooks.sql").read_text()
_DROP = """
DROP TRIGGER deployments_updated_event ON deployments;
DROP TRIGGER deployments_inserted_event ON deployments;
DROP FUNCTION record_deployment_events;
DROP TRIGGER event_outbox_webhooks ON event_outbox;
DROP FUNCTION enqueue_webhook_deliveries;
DROP FUNCTION is_subscribed;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('mlops', '0008_experiments'),
    ]

    operations = [
        migrations.CreateModel(
            name='Webhook',
            fields=[
                ('id', models.UUIDField(db_comment='primary key', default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(db_comment='name of the client', max_length=100, verbose_name='name')),
                ('url', models.URLField(db_comment='public address that events are posted to', max_length=2048, verbose_name='URL')),
                ('event_types', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50), db_comment='types of the events that are sent', size=None, verbose_name='events')),
                ('is_active', models.BooleanField(db_comment='whether new events are sent', default=True, verbose_name='active')),
                ('sealed_secret', models.BinaryField(db_comment='secret that signs deliveries, AES-GCM by the key ring')),
                ('created_at', models.DateTimeField(db_comment='when the row was created', db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
            options={
                'db_table': 'webhooks',
                'db_table_comment': 'Addresses of clients that are informed of changes',
                'ordering': ('name',),
            },
        ),
        migrations.CreateModel(
            name='WebhookDelivery',
            fields=[
                ('id', models.BigAutoField(db_comment='primary key', primary_key=True, serialize=False)),
                ('event_id', models.UUIDField(db_comment='id of the event, equal in every attempt')),
                ('type', models.CharField(db_comment='event type', max_length=50)),
                ('data', models.JSONField(db_comment='payload of the event')),
                ('occurred_at', models.DateTimeField(db_comment='when the change was written')),
                ('status', models.CharField(choices=[('pending', 'pending'), ('delivered', 'delivered'), ('dead', 'dead')], db_comment='pending, delivered, or dead after the last attempt', db_default='pending', default='pending', max_length=9)),
                ('attempts', models.IntegerField(db_comment='attempts so far, since the last replay', db_default=0, default=0)),
                ('next_attempt_at', models.DateTimeField(db_comment='when it is due; while it is sent, when it is due again', db_default=django.db.models.functions.datetime.Now())),
                ('response_status', models.IntegerField(db_comment='HTTP status of the last response; NULL: none', null=True)),
                ('error', models.TextField(db_comment='why the last attempt failed', db_default='', default='')),
                ('delivered_at', models.DateTimeField(db_comment='when the receiver accepted it', null=True)),
                ('webhook', models.ForeignKey(db_comment='receiver', on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='mlops.webhook')),
            ],
            options={
                'db_table': 'webhook_deliveries',
                'db_table_comment': 'Events that are posted to webhooks, with the state of each',
                'ordering': ('-id',),
                'indexes': [models.Index(condition=models.Q(('status', 'pending')), fields=['next_attempt_at'], name='webhook_deliveries_due')],
                'constraints': [models.UniqueConstraint(fields=('webhook', 'event_id'), name='webhook_deliveries_once')],
            },
        ),
        migrations.RunSQL(_TRIGGERS, _DROP),
    ]
