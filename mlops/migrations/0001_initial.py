import django.contrib.postgres.fields.hstore
import django.contrib.postgres.functions
import django.db.models.deletion
import django.db.models.functions.datetime
import psqlextra.manager.manager
import psqlextra.models.partitioned
import uuid
from pathlib import Path
from django.conf import settings
from django.contrib.postgres.operations import HStoreExtension
from django.db import migrations, models
from psqlextra.backend.migrations.operations import PostgresAddDefaultPartition, PostgresCreatePartitionedModel
from psqlextra.types import PostgresPartitioningMethod


_SQL = Path(__file__).parent / 'sql'


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        HStoreExtension(),
        migrations.CreateModel(
            name='Run',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False, primary_key=True, serialize=False)),
                ('pipeline', models.CharField(max_length=100)),
                ('source', models.CharField(max_length=50)),
                ('status', models.CharField(choices=[('running', 'Running'), ('landed', 'Landed'), ('succeeded', 'Succeeded'), ('failed', 'Failed'), ('interrupted', 'Interrupted')], default='running', max_length=12)),
                ('error', models.TextField(blank=True)),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('finished_at', models.DateTimeField(null=True)),
                ('read', models.IntegerField(default=0)),
                ('new', models.IntegerField(default=0)),
                ('changed', models.IntegerField(default=0)),
                ('unchanged', models.IntegerField(default=0)),
                ('rejected', models.IntegerField(default=0)),
                ('gone', models.IntegerField(db_comment='rows that the source no longer lists', default=0)),
                ('is_partial', models.BooleanField(db_comment='fetched up to a limit; does not show which rows are gone', default=False)),
                ('is_accepted', models.BooleanField(db_comment='a person has confirmed beforehand that large changes are right', default=False)),
                ('is_surveyed', models.BooleanField(db_comment='the feed was surveyed and may be processed', default=False)),
                ('is_dry_run', models.BooleanField(db_comment='nothing but the report was written', default=False)),
                ('report', models.JSONField(db_comment='report of a dry run: objection, differences', null=True)),
                ('newest_event_at', models.DateTimeField(db_comment='newest time that the records themselves name', null=True)),
                ('checksum_in', models.CharField(blank=True, db_comment='sha256 over the hashes of the raw records', max_length=64)),
                ('checksum_out', models.CharField(blank=True, db_comment="checksum of the source's rows after the run", max_length=64)),
            ],
            options={
                'db_table': 'runs',
                'ordering': ('-started_at',),
                'indexes': [models.Index(fields=['source', '-started_at'], name='runs_source_started')],
            },
        ),
        migrations.CreateModel(
            name='Alert',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=50)),
                ('subject', models.CharField(max_length=100)),
                ('message', models.TextField()),
                ('run', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='alerts', to='mlops.run')),
                ('severity', models.CharField(db_comment='error or warning', db_default='error', default='error', max_length=10)),
                ('notified_at', models.DateTimeField(db_comment='when e-mail and webhook were sent', null=True)),
                ('opened_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'db_table': 'alerts',
                'ordering': ('-opened_at',),
                'constraints': [models.UniqueConstraint(condition=models.Q(('closed_at', None)), fields=('code', 'subject'), name='alerts_one_open_per_incident')],
            },
        ),
        migrations.CreateModel(
            name='Operation',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('edit', 'edit'), ('bulk_edit', 'bulk edit'), ('import', 'import of a file'), ('review', 'decision of a review item'), ('merge', 'merge'), ('unmerge', 'unmerge'), ('match', 'automatic matching'), ('run', 'run of a source'), ('replay', 'replay from quarantine'), ('undo', 'undo')], max_length=12)),
                ('actor', models.ForeignKey(db_comment='NULL: an automated process', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('client', models.CharField(blank=True, db_comment='name of the API key', max_length=60)),
                ('reason', models.TextField(blank=True)),
                ('request_id', models.CharField(blank=True, db_comment='request_id of the logs', max_length=64)),
                ('run', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='operations', to='mlops.run')),
                ('undoes', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='undone_by', to='mlops.operation')),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'operations',
                'ordering': ('-started_at',),
                'constraints': [models.UniqueConstraint(condition=models.Q(('kind', 'run')), fields=('run',), name='operations_one_per_run')],
            },
        ),
        migrations.CreateModel(
            name='RowChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('operation', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='changes', to='mlops.operation')),
                ('table_name', models.CharField(max_length=63)),
                ('row_id', models.UUIDField()),
                ('action', models.CharField(db_comment='insert, update or delete', max_length=6)),
                ('before', django.contrib.postgres.fields.hstore.HStoreField(db_comment='values that were replaced, as PostgreSQL writes them; NULL: inserted', null=True)),
                ('after', django.contrib.postgres.fields.hstore.HStoreField(db_comment='values that replaced them; NULL: inserted or deleted', null=True)),
                ('changed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'row_changes',
                'ordering': ('-id',),
                'indexes': [models.Index(fields=['table_name', 'row_id', '-id'], name='row_changes_by_row')],
            },
        ),
        migrations.CreateModel(
            name='RowDigest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('table_name', models.CharField(max_length=63)),
                ('row_id', models.UUIDField()),
                ('block', models.SmallIntegerField(db_comment="first byte of the row's id")),
                ('digest', models.UUIDField(db_comment='md5 of the row as text')),
            ],
            options={
                'db_table': 'row_digests',
                'constraints': [models.UniqueConstraint(fields=('table_name', 'row_id'), name='row_digests_unique')],
            },
        ),
        migrations.CreateModel(
            name='IntegritySeal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('table_name', models.CharField(max_length=63)),
                ('block', models.SmallIntegerField(db_comment="first byte of the rows' ids")),
                ('row_count', models.IntegerField()),
                ('checksum', models.CharField(max_length=64)),
                ('sealed_at', models.DateTimeField()),
                ('signature', models.CharField(db_comment='HMAC over this row and the signature before it', max_length=140)),
            ],
            options={
                'db_table': 'integrity_seals',
                'indexes': [models.Index(fields=['table_name', 'block', '-id'], name='integrity_seals_newest')],
            },
        ),
        migrations.CreateModel(
            name='LineageEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('occurred_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='lineage', to='mlops.run')),
                ('source', models.CharField(max_length=50)),
                ('operation', models.CharField(max_length=100)),
                ('output_table', models.CharField(max_length=63)),
                ('record_count', models.IntegerField()),
                ('checksum', models.CharField(max_length=64)),
            ],
            options={
                'verbose_name_plural': 'lineage entries',
                'db_table': 'lineage_entries',
                'ordering': ('-occurred_at',),
            },
        ),
        PostgresCreatePartitionedModel(
            name='SystemMetric',
            fields=[
                ('pk', models.CompositePrimaryKey('id', 'measured_at', blank=True, editable=False, primary_key=True, serialize=False)),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False)),
                ('source', models.CharField(db_comment='machine or service', max_length=100)),
                ('name', models.CharField(max_length=100)),
                ('value', models.FloatField(db_comment='NULL: a log line', null=True)),
                ('level', models.CharField(blank=True, db_default='', default='', max_length=10)),
                ('message', models.TextField(blank=True, db_default='', default='')),
                ('measured_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'system_metrics',
                'indexes': [models.Index(fields=['name', '-measured_at'], name='system_metrics_newest')],
            },
            partitioning_options={
                'method': PostgresPartitioningMethod.RANGE,
                'key': ['measured_at'],
            },
            bases=(psqlextra.models.partitioned.PostgresPartitionedModel,),
            managers=[
                ('objects', psqlextra.manager.manager.PostgresManager()),
            ],
        ),
        PostgresAddDefaultPartition(model_name='SystemMetric', name='default'),
        migrations.CreateModel(
            name='MetricThreshold',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='name of the metric, for example disk_used_percent', max_length=100)),
                ('source', models.CharField(blank=True, help_text='empty: any source', max_length=100)),
                ('side', models.CharField(choices=[('above', 'Above'), ('below', 'Below')], default='above', max_length=5)),
                ('value', models.FloatField()),
                ('is_active', models.BooleanField(default=True)),
            ],
            options={
                'db_table': 'metric_thresholds',
                'ordering': ('name', 'source'),
                'constraints': [models.UniqueConstraint(fields=('name', 'source', 'side'), name='metric_thresholds_unique')],
            },
        ),
        migrations.CreateModel(
            name='RetentionSweep',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('rule', models.CharField(max_length=100)),
                ('table', models.CharField(max_length=63)),
                ('cutoff_at', models.DateTimeField(db_comment='rows older than this were to be deleted')),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('finished_at', models.DateTimeField(null=True)),
                ('deleted', models.BigIntegerField(default=0)),
                ('skipped_by_hold', models.BigIntegerField(db_comment='rows old enough but under a legal hold', default=0)),
                ('is_dry_run', models.BooleanField(default=False)),
                ('error', models.TextField(blank=True)),
            ],
            options={
                'db_table': 'retention_sweeps',
                'ordering': ('-started_at', '-id'),
                'indexes': [models.Index(fields=['rule', '-started_at'], name='retention_sweeps_newest')],
            },
        ),
        migrations.CreateModel(
            name='LegalHold',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('subject', models.UUIDField(help_text='id of the customer')),
                ('reason', models.TextField()),
                ('set_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('set_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('lifted_at', models.DateTimeField(blank=True, null=True)),
                ('lifted_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'legal_holds',
                'ordering': ('-set_at',),
                'indexes': [models.Index(condition=models.Q(('lifted_at', None)), fields=['subject'], name='legal_holds_open')],
            },
        ),
        migrations.CreateModel(
            name='Erasure',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('subject', models.UUIDField()),
                ('status', models.CharField(choices=[('running', 'Running'), ('done', 'Done'), ('incomplete', 'Incomplete'), ('refused', 'Refused')], default='running', max_length=10)),
                ('requested_by', models.CharField(help_text='user or API key', max_length=150)),
                ('reason', models.CharField(max_length=200)),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('finished_at', models.DateTimeField(null=True)),
                ('deleted', models.JSONField(db_comment='deleted items by personal data store', default=dict)),
                ('remaining', models.JSONField(db_comment='items found by the verification, by personal data store', default=dict)),
                ('error', models.TextField(blank=True)),
            ],
            options={
                'db_table': 'erasures',
                'ordering': ('-started_at',),
                'indexes': [models.Index(fields=['subject'], name='erasures_subject')],
            },
        ),
        migrations.CreateModel(
            name='QualityFinding',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False, primary_key=True, serialize=False)),
                ('rule', models.CharField(max_length=60)),
                ('severity', models.CharField(choices=[('error', 'Error'), ('warning', 'Warning')], max_length=10)),
                ('table_name', models.CharField(max_length=63)),
                ('row_id', models.UUIDField()),
                ('field', models.CharField(blank=True, max_length=63)),
                ('message', models.TextField()),
                ('opened_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('closed_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'quality_findings',
                'ordering': ('-opened_at',),
                'indexes': [models.Index(fields=['row_id'], name='quality_findings_row')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('closed_at', None)), fields=('rule', 'row_id'), name='quality_findings_one_open')],
            },
        ),
        migrations.CreateModel(
            name='QuarantinedRecord',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False, primary_key=True, serialize=False)),
                ('source', models.CharField(max_length=50)),
                ('external_id', models.CharField(blank=True, max_length=200)),
                ('field', models.CharField(blank=True, max_length=50)),
                ('reason', models.TextField()),
                ('payload', models.JSONField()),
                ('payload_hash', models.CharField(max_length=64)),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='quarantined', to='mlops.run')),
                ('first_seen_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('times_seen', models.IntegerField(db_default=1, default=1)),
                ('fixed_payload', models.JSONField(blank=True, db_comment='payload as fixed by a person', null=True)),
                ('closed_at', models.DateTimeField(db_comment='when it was replayed or dismissed', null=True)),
                ('closed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('outcome', models.CharField(blank=True, db_comment='replayed or dismissed', db_default='', default='', max_length=10)),
            ],
            options={
                'db_table': 'quarantined_records',
                'ordering': ('-first_seen_at',),
                'constraints': [models.UniqueConstraint(fields=('source', 'payload_hash', 'reason'), name='quarantined_records_unique')],
            },
        ),
        migrations.CreateModel(
            name='RawRecord',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False, primary_key=True, serialize=False)),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='raw_records', to='mlops.run')),
                ('source', models.CharField(max_length=50)),
                ('bundle', models.CharField(db_comment='responses of a run with the same bundle are parsed together', max_length=100)),
                ('role', models.CharField(max_length=100)),
                ('url', models.TextField()),
                ('status', models.SmallIntegerField()),
                ('content_type', models.CharField(blank=True, max_length=200)),
                ('content_hash', models.CharField(db_comment='sha256 of the bytes, their storage key', db_index=True, max_length=64)),
                ('size_bytes', models.IntegerField()),
                ('request_key', models.CharField(blank=True, db_comment='sha256 of the request', db_index=True, max_length=64)),
                ('etag', models.CharField(blank=True, max_length=200)),
                ('last_modified', models.CharField(blank=True, max_length=60)),
                ('is_unmodified', models.BooleanField(db_comment='the source answered 304 Not Modified', default=False)),
                ('fetched_at', models.DateTimeField()),
                ('landed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('processed_records', models.IntegerField(db_comment='saved records of the bundle: the checkpoint', default=0)),
                ('rejected_records', models.IntegerField(db_comment='rejected records of the bundle', default=0)),
                ('pipeline_version', models.CharField(blank=True, db_comment='version of the pipeline that processed it', max_length=20)),
                ('processed_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'raw_records',
                'constraints': [models.UniqueConstraint(fields=('run', 'bundle', 'role'), name='raw_records_unique_per_run')],
            },
        ),
        migrations.CreateModel(
            name='InboxEvent',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('topic', models.CharField(max_length=100)),
                ('type', models.CharField(max_length=50)),
                ('channel', models.CharField(choices=[('kafka', 'Kafka'), ('rest', 'Rest'), ('replay', 'Replay')], max_length=6)),
                ('occurred_at', models.DateTimeField()),
                ('received_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'event_inbox',
                'indexes': [models.Index(fields=['received_at'], name='event_inbox_received')],
            },
        ),
        migrations.CreateModel(
            name='OutboxEvent',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('event_id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False, unique=True)),
                ('topic', models.CharField(max_length=100)),
                ('key', models.CharField(max_length=100)),
                ('type', models.CharField(max_length=50)),
                ('data', models.JSONField()),
                ('recorded_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('published_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'event_outbox',
                'indexes': [models.Index(condition=models.Q(('published_at', None)), fields=['id'], name='event_outbox_due')],
            },
        ),
        migrations.RunSQL((_SQL / 'row_history.sql').read_text(), 'DROP FUNCTION record_row_inserts, record_row_updates, record_row_deletes, current_operation'),
    ]
