"""Applications that a deployment may leave out by removing their folder."""

from config.env import ROOT

OPTIONAL_APPS = [name for name in ("biometrics",) if (ROOT / name).is_dir()]
