"""Time zones of provinces and territories: of the most people, where there are several."""

from zoneinfo import ZoneInfo

TIME_ZONES = {
    "AB": ZoneInfo("America/Edmonton"),
    "BC": ZoneInfo("America/Vancouver"),
    "MB": ZoneInfo("America/Winnipeg"),
    "NB": ZoneInfo("America/Moncton"),
    "NL": ZoneInfo("America/St_Johns"),
    "NS": ZoneInfo("America/Halifax"),
    "NT": ZoneInfo("America/Edmonton"),
    "NU": ZoneInfo("America/Iqaluit"),
    "ON": ZoneInfo("America/Toronto"),
    "PE": ZoneInfo("America/Halifax"),
    "QC": ZoneInfo("America/Toronto"),
    "SK": ZoneInfo("America/Regina"),
    "YT": ZoneInfo("America/Whitehorse"),
}
