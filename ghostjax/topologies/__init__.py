"""Who hears whom, and with which weight."""
