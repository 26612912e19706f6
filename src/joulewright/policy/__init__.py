"""Online decision rules: they see the past, the present and a forecast, never the future."""
