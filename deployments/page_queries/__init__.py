"""What the pages read: a fixed number of queries per page, none of which grows with the history."""
