UPDATE images SET jpeg = -1;
