from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mlops", "0013_choice_labels")]

    operations = [
        migrations.AlterField(
            model_name="outcomecount",
            name="bin",
            field=models.SmallIntegerField(
                db_comment="interval of the predicted probability, from 0; NULL: a rate", null=True
            ),
        ),
    ]
