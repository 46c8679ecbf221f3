from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('competitors', '0002_offers_and_guards')]

    operations = [
        migrations.AlterField(
            model_name='competitor',
            name='code',
            field=models.SlugField(db_comment='short name used in commands, runs and price_history', help_text='short name, for example high-street', max_length=39, unique=True),
        ),
    ]
