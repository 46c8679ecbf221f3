"""
Tests of the console in a browser: Playwright with a Chromium of the machine.

They are skipped, with the reason, where no Chromium can be started. `CHROMIUM` names its program if
it is not on the path.
"""
