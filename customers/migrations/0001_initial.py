import django.contrib.postgres.fields
import django.contrib.postgres.fields.ranges
import django.contrib.postgres.functions
import django.contrib.postgres.indexes
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import psqlextra.manager.manager
import psqlextra.models.partitioned
import uuid
from pathlib import Path
from django.conf import settings
from django.db import migrations, models
from psqlextra.backend.migrations.operations import PostgresAddDefaultPartition, PostgresCreatePartitionedModel
from psqlextra.types import PostgresPartitioningMethod


_SQL = Path(__file__).parent / 'sql'


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('catalog', '0001_initial'),
        ('vectors', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='CustomerProfile',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False, primary_key=True, serialize=False)),
                ('external_customer_id', models.CharField(db_comment='loyalty number or account', max_length=100, unique=True)),
                ('preferred_thc_range', django.contrib.postgres.fields.ranges.DecimalRangeField(blank=True, null=True)),
                ('preferred_cbd_range', django.contrib.postgres.fields.ranges.DecimalRangeField(blank=True, null=True)),
                ('preferred_strain_types', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), blank=True, null=True, size=None)),
                ('purchase_frequency', models.IntegerField(blank=True, db_comment='orders in the last 90 days', null=True)),
                ('avg_spending', models.DecimalField(blank=True, db_comment='dollars per order, last 12 months', decimal_places=2, max_digits=10, null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), null=True)),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), null=True)),
                ('province', models.CharField(blank=True, db_default='', default='', max_length=2)),
                ('language', models.CharField(choices=[('en', 'English'), ('fr', 'français')], db_default='en', default='en', max_length=2)),
                ('store', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='catalog.store')),
                ('is_age_verified', models.BooleanField(db_default=False, default=False)),
                ('verification_method', models.CharField(blank=True, choices=[('in_person', 'identification shown in the store'), ('account', 'verified account of the web shop'), ('delivery', 'identification shown on delivery')], db_default='', default='', max_length=10)),
                ('age_verified_at', models.DateTimeField(blank=True, null=True)),
                ('verified_age', models.PositiveSmallIntegerField(blank=True, db_comment='minimum age that was shown', null=True)),
                ('preferred_price_range', django.contrib.postgres.fields.ranges.DecimalRangeField(blank=True, db_comment='dollars per product', null=True)),
                ('stated_preferences', models.JSONField(blank=True, db_comment='preferences stated by the customer', db_default={}, default=dict)),
                ('derived_preferences', models.JSONField(blank=True, db_comment='preferences derived from purchases', db_default={}, default=dict)),
                ('is_due', models.BooleanField(db_comment='purchases or consents since the preferences were derived', db_default=False, default=False)),
                ('is_synthetic', models.BooleanField(db_comment='synthetic customer of the demonstration', db_default=False, default=False)),
            ],
            options={
                'db_table': 'customer_profiles',
                'ordering': ('-created_at',),
                'indexes': [models.Index(fields=['-created_at', 'id'], name='customer_profiles_newest'), models.Index(condition=models.Q(('is_due', True)), fields=['id'], name='customer_profiles_due')],
            },
        ),
        migrations.CreateModel(
            name='ConsentText',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('purpose', models.CharField(choices=[('history', 'keep what I buy and look at under my name'), ('profiling', 'suggest products by my history'), ('chat', 'keep my conversations'), ('marketing', 'send me news')], max_length=10)),
                ('version', models.CharField(max_length=20)),
                ('text_en', models.TextField(verbose_name='English text')),
                ('text_fr', models.TextField(verbose_name='French text')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'consent_texts',
                'ordering': ('purpose', '-created_at'),
                'constraints': [models.UniqueConstraint(fields=('purpose', 'version'), name='consent_texts_unique')],
            },
        ),
        migrations.CreateModel(
            name='Consent',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('customer', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='consents', to='customers.customerprofile')),
                ('text', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='customers.consenttext')),
                ('purpose', models.CharField(choices=[('history', 'keep what I buy and look at under my name'), ('profiling', 'suggest products by my history'), ('chat', 'keep my conversations'), ('marketing', 'send me news')], max_length=10)),
                ('language', models.CharField(db_comment='language of the text that was shown', max_length=2)),
                ('given_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('withdrawn_at', models.DateTimeField(blank=True, null=True)),
                ('channel', models.CharField(blank=True, db_comment='where it was given, for example till', max_length=30)),
            ],
            options={
                'db_table': 'consents',
                'ordering': ('-given_at',),
                'constraints': [models.UniqueConstraint(condition=models.Q(('withdrawn_at', None)), fields=('customer', 'purpose'), name='consents_one_active')],
            },
        ),
        migrations.CreateModel(
            name='PersonalAccess',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('customer_id', models.UUIDField()),
                ('actor', models.CharField(db_comment='user:NAME or key:PREFIX', max_length=150)),
                ('action', models.CharField(db_comment='for example profile.read', max_length=50)),
                ('accessed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'verbose_name_plural': 'personal access',
                'db_table': 'personal_access',
                'ordering': ('-accessed_at',),
                'indexes': [models.Index(fields=['customer_id', '-accessed_at'], name='personal_access_by_customer')],
            },
        ),
        migrations.CreateModel(
            name='ChatSession',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False, primary_key=True, serialize=False)),
                ('customer', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='chats', to='customers.customerprofile')),
                ('session_start', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), null=True)),
                ('session_end', models.DateTimeField(null=True)),
                ('language', models.CharField(max_length=5, null=True)),
                ('total_messages', models.IntegerField(db_default=0, null=True)),
                ('store', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='catalog.store')),
            ],
            options={
                'db_table': 'chat_sessions',
                'ordering': ('-session_start',),
                'indexes': [models.Index(fields=['-session_start', 'id'], name='chat_sessions_newest')],
            },
        ),
        PostgresCreatePartitionedModel(
            name='ChatMessage',
            fields=[
                ('pk', models.CompositePrimaryKey('id', 'created_at', blank=True, editable=False, primary_key=True, serialize=False)),
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False)),
                ('session', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='messages', to='customers.chatsession')),
                ('message_text', models.TextField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('role', models.CharField(choices=[('customer', 'Customer'), ('assistant', 'Assistant'), ('staff', 'Staff')], db_default='customer', default='customer', max_length=9)),
                ('language', models.CharField(blank=True, db_default='', default='', max_length=2)),
                ('redacted_text', models.TextField(blank=True, db_comment='text with personal data masked; the copy that may be searched', db_default='', default='')),
            ],
            options={
                'db_table': 'chat_messages',
                'indexes': [models.Index(fields=['session', 'created_at'], name='chat_messages_by_session'), django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(models.F('redacted_text'), name='gin_trgm_ops'), name='chat_messages_redacted_text')],
            },
            partitioning_options={
                'method': PostgresPartitioningMethod.RANGE,
                'key': ['created_at'],
            },
            bases=(psqlextra.models.partitioned.PostgresPartitionedModel,),
            managers=[
                ('objects', psqlextra.manager.manager.PostgresManager()),
            ],
        ),
        PostgresAddDefaultPartition(model_name='ChatMessage', name='default'),
        migrations.CreateModel(
            name='MessageFeedback',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('session', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='feedback', to='customers.chatsession')),
                ('message_id', models.UUIDField()),
                ('is_helpful', models.BooleanField()),
                ('comment', models.CharField(blank=True, db_comment='with personal data masked', max_length=500)),
                ('given_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'message_feedback',
                'constraints': [models.UniqueConstraint(fields=('message_id',), name='message_feedback_unique')],
            },
        ),
        migrations.CreateModel(
            name='Purchase',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('event_id', models.UUIDField(db_comment='purchase event')),
                ('line', models.SmallIntegerField(db_comment='index on the receipt, from 0')),
                ('order_id', models.CharField(max_length=100)),
                ('customer', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='purchases', to='customers.customerprofile')),
                ('store', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='catalog.store')),
                ('product', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='catalog.product')),
                ('quantity', models.IntegerField()),
                ('unit_price', models.DecimalField(decimal_places=2, max_digits=10)),
                ('purchased_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'purchases',
                'ordering': ('-purchased_at',),
                'indexes': [models.Index(fields=['customer', '-purchased_at'], name='purchases_by_customer'), models.Index(fields=['store', '-purchased_at'], name='purchases_by_store')],
                'constraints': [models.UniqueConstraint(fields=('event_id', 'line'), name='purchases_unique')],
            },
        ),
        migrations.CreateModel(
            name='Interaction',
            fields=[
                ('id', models.UUIDField(db_comment='id of the interaction event', default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('view', 'View'), ('basket_add', 'Basket Add'), ('basket_remove', 'Basket Remove'), ('like', 'Like'), ('dislike', 'Dislike')], max_length=13)),
                ('customer', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='interactions', to='customers.customerprofile')),
                ('session', models.CharField(blank=True, db_default='', default='', max_length=100)),
                ('store', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='catalog.store')),
                ('product', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='catalog.product')),
                ('quantity', models.IntegerField(null=True)),
                ('occurred_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'interactions',
                'ordering': ('-occurred_at',),
                'indexes': [models.Index(fields=['customer', '-occurred_at'], name='interactions_by_customer'), models.Index(fields=['session', '-occurred_at'], name='interactions_by_session'), models.Index(fields=['-occurred_at'], name='interactions_newest')],
            },
        ),
        migrations.CreateModel(
            name='Scenario',
            fields=[
                ('name', models.CharField(choices=[('home', 'home page'), ('product', 'product page'), ('substitute', 'substitutes for a sold-out product'), ('basket', 'basket'), ('lookup', 'staff look-up')], editable=False, max_length=20, primary_key=True, serialize=False)),
                ('title_en', models.CharField(max_length=80, verbose_name='English title')),
                ('title_fr', models.CharField(max_length=80, verbose_name='French title')),
                ('is_active', models.BooleanField(default=True, help_text='when off, clients receive no products and the reason scenario_disabled')),
                ('repurchase', models.FloatField(default=0, help_text='products that the customer has bought before', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(10)])),
                ('co_purchase', models.FloatField(default=0, help_text='products bought together with those in the history, on the page or in the basket', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(10)])),
                ('embedding_similarity', models.FloatField(default=0, help_text="products whose vectors are close to the customer's vector or to the viewed product", validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(10)])),
                ('popularity', models.FloatField(default=0, help_text='best-selling products of the store', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(10)])),
                ('newness', models.FloatField(default=0, help_text='products added to the catalogue in the last 30 days', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(10)])),
                ('diversity', models.FloatField(default=0.2, help_text='0: order by score alone; 1: never repeat a brand or segment while another is available', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1)])),
                ('max_per_brand', models.PositiveSmallIntegerField(default=4, help_text='products of one brand in one response', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(50)])),
                ('is_same_category', models.BooleanField(default=False, help_text='only products of the category of the viewed product', verbose_name='same category only')),
                ('updated_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
            options={
                'db_table': 'recommendation_scenarios',
                'ordering': ('name',),
            },
        ),
        migrations.CreateModel(
            name='BusinessRule',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=100, unique=True)),
                ('action', models.CharField(choices=[('hide', 'hide: do not recommend'), ('boost', 'boost: rank higher'), ('demote', 'demote: rank lower')], max_length=6)),
                ('strength', models.FloatField(default=0.5, help_text='boost: score × (1 + strength); demote: score × (1 − strength); all matching rules together × 0.1 to × 3', validators=[django.core.validators.MinValueValidator(0.05), django.core.validators.MaxValueValidator(1)])),
                ('product', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='catalog.product')),
                ('brand', models.CharField(blank=True, db_default='', default='', max_length=100)),
                ('category', models.CharField(blank=True, db_default='', default='', max_length=40)),
                ('strain_type', models.CharField(blank=True, db_default='', default='', max_length=20)),
                ('min_thc_percentage', models.DecimalField(blank=True, decimal_places=2, help_text='products whose labelled THC reaches this value; products without a THC value do not match', max_digits=5, null=True, verbose_name='THC from, percent')),
                ('store', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='catalog.store')),
                ('province', models.CharField(blank=True, choices=[('AB', 'AB'), ('BC', 'BC'), ('MB', 'MB'), ('NB', 'NB'), ('NL', 'NL'), ('NS', 'NS'), ('NT', 'NT'), ('NU', 'NU'), ('ON', 'ON'), ('PE', 'PE'), ('QC', 'QC'), ('SK', 'SK'), ('YT', 'YT')], db_default='', default='', max_length=2)),
                ('scenario', models.CharField(blank=True, choices=[('home', 'home page'), ('product', 'product page'), ('substitute', 'substitutes for a sold-out product'), ('basket', 'basket'), ('lookup', 'staff look-up')], db_default='', default='', max_length=20)),
                ('starts_at', models.DateTimeField(blank=True, default=None, help_text='empty: in force immediately', null=True)),
                ('ends_at', models.DateTimeField(blank=True, help_text='empty: in force until it is ended', null=True)),
                ('reason', models.TextField(help_text='why the rule exists; shown wherever the rule is shown')),
                ('unpaid_note', models.TextField(blank=True, db_default='', default='', help_text='for boosts: a statement that the boost is not paid for, and its evidence (paid promotion is not allowed)')),
                ('author', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
            options={
                'verbose_name': 'recommendation rule',
                'db_table': 'recommendation_rules',
                'ordering': ('-created_at',),
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('action', 'boost'), _negated=True), models.Q(('unpaid_note', ''), _negated=True), _connector='OR'), name='recommendation_rules_unpaid', violation_error_message='A boost needs a note that it is not paid for.'), models.CheckConstraint(condition=models.Q(('starts_at', None), ('ends_at', None), ('ends_at__gt', models.F('starts_at')), _connector='OR'), name='recommendation_rules_in_time', violation_error_message='The rule must end after it starts.')],
            },
        ),
        migrations.CreateModel(
            name='ProductNeighbor',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('product', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='catalog.product')),
                ('neighbor', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='catalog.product')),
                ('score', models.FloatField(db_comment='cosine similarity of buyers within 90 days, shrunk; 0 to 1')),
                ('buyers', models.IntegerField(db_comment='distinct buyers of both products')),
            ],
            options={
                'db_table': 'product_neighbors',
                'constraints': [models.UniqueConstraint(fields=('product', 'neighbor'), name='product_neighbors_once')],
            },
        ),
        migrations.CreateModel(
            name='ProductPopularity',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('store', models.ForeignKey(db_comment='null: all stores', db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='catalog.store')),
                ('product', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='catalog.product')),
                ('score', models.FloatField(db_comment="orders weighted by recency, relative to the best seller; 0 to 1")),
                ('orders', models.IntegerField(db_comment='orders with the product in 180 days')),
                ('counted_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'product_popularity',
                'indexes': [models.Index(fields=['store', '-score'], name='product_popularity_best')],
                'constraints': [models.UniqueConstraint(fields=('store', 'product'), name='product_popularity_once', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='ProductRepeatStatistics',
            fields=[
                ('product', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to='catalog.product')),
                ('repeats', models.FloatField(db_comment='orders per buyer in a year, shrunk; 1 and above')),
                ('buyers', models.IntegerField(db_comment='distinct buyers who consented to profiling')),
            ],
            options={
                'db_table': 'product_repeat_statistics',
            },
        ),
        migrations.CreateModel(
            name='StoreRepeatStatistics',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('counted_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('repeats', models.IntegerField(help_text='repeat purchases of the last 14 days')),
                ('predicted_hits', models.IntegerField(help_text='first-time purchases of the last 14 days that co-purchase neighbors predicted')),
                ('discovery_ratio', models.FloatField(help_text='predicted hits per repeat purchase, shrunk; weight of the co-purchase source')),
                ('segment_shares', models.JSONField(default=dict, help_text='share of sales by segment (category and strain type)')),
            ],
            options={
                'verbose_name_plural': 'store repeat statistics',
                'db_table': 'store_repeat_statistics',
                'ordering': ('-counted_at', '-id'),
            },
        ),
        PostgresCreatePartitionedModel(
            name='Recommendation',
            fields=[
                ('pk', models.CompositePrimaryKey('id', 'created_at', blank=True, editable=False, primary_key=True, serialize=False)),
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid.uuid4, editable=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('scenario', models.CharField(max_length=20)),
                ('customer_id', models.UUIDField(null=True)),
                ('session', models.CharField(blank=True, db_default='', default='', max_length=100)),
                ('store_id', models.UUIDField(null=True)),
                ('model_version', models.CharField(max_length=60)),
                ('fallback_level', models.SmallIntegerField(db_default=0, default=0)),
                ('products', django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), db_comment='product ids in ranked order', default=list, size=None)),
            ],
            options={
                'db_table': 'recommendations',
                'indexes': [models.Index(fields=['store_id', 'created_at'], name='recommendations_of_store'), models.Index(fields=['customer_id', 'created_at'], name='recommendations_of_customer'), models.Index(condition=models.Q(('session', ''), _negated=True), fields=['session'], name='recommendations_of_session')],
            },
            partitioning_options={
                'method': PostgresPartitioningMethod.RANGE,
                'key': ['created_at'],
            },
            bases=(psqlextra.models.partitioned.PostgresPartitionedModel,),
            managers=[
                ('objects', psqlextra.manager.manager.PostgresManager()),
            ],
        ),
        PostgresAddDefaultPartition(model_name='Recommendation', name='default'),
        migrations.CreateModel(
            name='RecommendationFeedback',
            fields=[
                ('id', models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('recommendation_id', models.UUIDField()),
                ('product_id', models.UUIDField()),
                ('kind', models.CharField(choices=[('shown', 'Shown'), ('clicked', 'Clicked'), ('bought', 'Bought')], max_length=7)),
                ('session', models.CharField(blank=True, db_comment='session in which the product was shown', db_default='', default='', max_length=100)),
                ('scenario', models.CharField(max_length=20)),
                ('store_id', models.UUIDField(null=True)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'recommendation_feedback',
                'indexes': [models.Index(fields=['-at'], name='recommendation_feedback_newest'), models.Index(condition=models.Q(('session', ''), _negated=True), fields=['session'], name='recommendation_feedback_visit')],
                'constraints': [models.UniqueConstraint(fields=('recommendation_id', 'product_id', 'kind', 'session'), name='recommendation_feedback_once')],
            },
        ),
        migrations.RunSQL((_SQL / 'column_comments.sql').read_text(), migrations.RunSQL.noop),
        migrations.RunSQL((_SQL / 'vector_outbox.sql').read_text(), 'DROP FUNCTION enqueue_customer_vector_update CASCADE'),
        migrations.RunSQL((_SQL / 'change_notices.sql').read_text(), 'DROP FUNCTION notify_rows_changed, notify_sold_out, notify_stock_changed, notify_stock_added CASCADE'),
    ]
