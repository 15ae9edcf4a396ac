"""Coming from Capistrano, and leaving to it again: its configuration, its folders on hosts, its history."""
