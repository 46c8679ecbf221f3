"""Comments of the columns that saved views of all lists have."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("competitors", "0011_plural_names"),
    ]

    operations = [
        migrations.AlterField(
            model_name="savedboardfilter",
            name="name",
            field=models.CharField(db_comment="name shown above the list", max_length=60),
        ),
        migrations.AlterField(
            model_name="savedboardfilter",
            name="query",
            field=models.CharField(
                db_comment="query string of the list, for example category=vapes", max_length=1000
            ),
        ),
    ]
