"""What an administrator takes from deploy/, tried."""
