"""What the drive keeps, and the rules for changing it.

Two subjects, `identity` and `drive`, over one floor: configuration, errors, time, chance,
scopes, the database, audit and keys. Both doors (`davserver`, `admin_ui`) stand on this
package; it knows neither of them, no protocol and no status number.
"""
