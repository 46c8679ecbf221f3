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
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False, primary_key=True, serialize=False, db_comment='primary key')),
                ('collection', models.CharField(db_comment='collection; alias of its serving index in Milvus', max_length=100)),
                ('physical_name', models.CharField(db_comment='name of the Milvus collection, without prefix', max_length=150, unique=True)),
                ('fingerprint', models.CharField(db_comment='digest of encoder, revision, dimension, layout and text weight', max_length=16)),
                ('encoder', models.CharField(max_length=200, db_comment='id of the encoder')),
                ('revision', models.CharField(max_length=64, db_comment='revision or hash of the encoder')),
                ('dimension', models.IntegerField(db_comment='length of the vectors')),
                ('layout', models.CharField(blank=True, db_comment='version of the feature layout; empty for text alone', max_length=50)),
                ('text_weight', models.FloatField(default=1, db_comment='weight of the text half against the feature half')),
                ('index_type', models.CharField(max_length=20, db_comment='index type in Milvus, for example IVF_FLAT')),
                ('nlist', models.IntegerField(null=True, db_comment='number of lists of an IVF index')),
                ('nprobe', models.IntegerField(null=True, db_comment='lists searched per query of an IVF index')),
                ('status', models.CharField(choices=[('building', 'being built'), ('serving', 'serving'), ('retired', 'retained for rollback'), ('failed', 'failed')], default='building', max_length=10, db_comment='building, serving, retired or failed')),
                ('details', models.TextField(blank=True, db_comment='reason of a failure, or tuned search parameters')),
                ('version', models.BigIntegerField(db_comment='incremented with every batch written', default=0)),
                ('recall', models.FloatField(db_comment='last measured recall@10 against exact search, 0 to 1', null=True)),
                ('canaries', models.JSONField(db_comment='sample rows that must find themselves, with the best hit', null=True)),
                ('divergence', models.JSONField(db_comment='differences before and after the last reconciliation', null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_comment='when the row was created')),
                ('serving_since', models.DateTimeField(null=True, db_comment='when it began to serve; NULL: never')),
                ('reconciled_at', models.DateTimeField(null=True, db_comment='when rows and vectors were last compared')),
            ],
            options={'db_table_comment': 'Physical vector collections: how they were built and which one serves', 
                'verbose_name_plural': 'vector indexes',
                'db_table': 'vector_indexes',
                'ordering': ('collection', '-created_at'),
                'constraints': [models.UniqueConstraint(condition=models.Q(('status', 'serving')), fields=('collection',), name='vector_indexes_one_serving'), models.UniqueConstraint(condition=models.Q(('status', 'building')), fields=('collection',), name='vector_indexes_one_building')],
            },
        ),
        migrations.CreateModel(
            name='IndexedVector',
            fields=[
                ('id', models.BigAutoField(db_comment='primary key', primary_key=True, serialize=False, verbose_name='ID')),
                ('index', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='vectors', to='vectors.vectorindex', db_comment='index the vector belongs to')),
                ('entity_id', models.UUIDField(db_comment='id of the embedded row')),
                ('text_hash', models.CharField(max_length=32, db_comment='hash of the embedded text')),
                ('content_hash', models.CharField(db_comment='hash of text, features and scalar fields', max_length=32)),
                ('vector', models.BinaryField(db_comment='float32, little-endian, unit length')),
                ('scalars', models.JSONField(default=dict, db_comment='scalar fields stored beside the vector')),
                ('indexed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_comment='when the vector was written')),
            ],
            options={'db_table_comment': 'Vectors of rows per index, with hashes and scalars', 
                'db_table': 'indexed_vectors',
                'constraints': [models.UniqueConstraint(fields=('index', 'entity_id'), name='indexed_vectors_unique')],
            },
        ),
        migrations.CreateModel(
            name='OutboxEntry',
            fields=[
                ('id', models.BigAutoField(db_comment='primary key', primary_key=True, serialize=False, verbose_name='ID')),
                ('table_name', models.CharField(max_length=63, db_comment='table of the changed row')),
                ('row_id', models.UUIDField(db_comment='id of the changed row')),
                ('enqueued_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_comment='when the row changed')),
            ],
            options={'db_table_comment': 'Changed rows whose vectors are due, written by triggers', 
                'verbose_name_plural': 'outbox entries',
                'db_table': 'vector_outbox',
                'indexes': [models.Index(fields=['table_name', 'id'], name='vector_outbox_in_order')],
            },
        ),
        migrations.RunSQL((_SQL / 'outbox.sql').read_text(), 'DROP FUNCTION enqueue_vector_update'),
    ]
