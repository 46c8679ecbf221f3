from pathlib import Path

import django.contrib.postgres.functions
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


_SQL = Path(__file__).parent / 'sql'


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='VectorIndex',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False, primary_key=True, serialize=False)),
                ('collection', models.CharField(db_comment='the alias that the serving one bears', max_length=100)),
                ('physical', models.CharField(db_comment='its own name in Milvus, without prefix', max_length=150, unique=True)),
                ('stamp', models.CharField(db_comment='of encoder, revision, dimension, layout and weight', max_length=16)),
                ('encoder', models.CharField(max_length=200)),
                ('revision', models.CharField(max_length=64)),
                ('dimension', models.IntegerField()),
                ('layout', models.CharField(blank=True, db_comment='version of the features; empty: text alone', max_length=50)),
                ('text_weight', models.FloatField(default=1)),
                ('index_type', models.CharField(max_length=20)),
                ('nlist', models.IntegerField(null=True)),
                ('nprobe', models.IntegerField(null=True)),
                ('status', models.CharField(choices=[('building', 'being built'), ('serving', 'serving'), ('retired', 'kept for rolling back'), ('failed', 'failed')], default='building', max_length=10)),
                ('note', models.TextField(blank=True, db_comment='why it failed, what was tuned')),
                ('version', models.BigIntegerField(db_comment='one more with every batch written', default=0)),
                ('recall', models.FloatField(db_comment='recall@10 against exact search, when last measured', null=True)),
                ('canaries', models.JSONField(db_comment='queries whose answers are known, and how they came out', null=True)),
                ('divergence', models.JSONField(db_comment='what the last reconciling found and left', null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('serving_since', models.DateTimeField(null=True)),
                ('reconciled_at', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name_plural': 'vector indexes',
                'db_table': 'vector_indexes',
                'ordering': ('collection', '-created_at'),
                'constraints': [models.UniqueConstraint(condition=models.Q(('status', 'serving')), fields=('collection',), name='vector_indexes_one_serving'), models.UniqueConstraint(condition=models.Q(('status', 'building')), fields=('collection',), name='vector_indexes_one_building')],
            },
        ),
        migrations.CreateModel(
            name='IndexedVector',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('index', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='vectors', to='vectors.vectorindex')),
                ('entity_id', models.UUIDField()),
                ('text_hash', models.CharField(max_length=32)),
                ('content_hash', models.CharField(db_comment='of text, features and scalars', max_length=32)),
                ('vector', models.BinaryField(db_comment='float32, little-endian, unit length')),
                ('scalars', models.JSONField(default=dict)),
                ('indexed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'indexed_vectors',
                'constraints': [models.UniqueConstraint(fields=('index', 'entity_id'), name='indexed_vectors_once')],
            },
        ),
        migrations.CreateModel(
            name='OutboxEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('table_name', models.CharField(max_length=63)),
                ('row_id', models.UUIDField()),
                ('noted_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'verbose_name_plural': 'outbox entries',
                'db_table': 'vector_outbox',
                'indexes': [models.Index(fields=['table_name', 'id'], name='vector_outbox_in_order')],
            },
        ),
        migrations.RunSQL((_SQL / 'outbox.sql').read_text(), 'DROP FUNCTION note_vector_due'),
    ]
