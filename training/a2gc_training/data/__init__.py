"""Images, the places they show, and the batches they are drawn in."""
