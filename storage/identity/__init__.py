"""Identity: accounts, mailboxes, people, and the credentials that each of them holds."""
