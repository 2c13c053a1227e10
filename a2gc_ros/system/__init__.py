"""What the rooms need of the operating system, of files and of other libraries; nothing here knows of places."""
