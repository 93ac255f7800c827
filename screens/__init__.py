"""What a person sees in the terminal: one module a screen, widgets beside them. Nothing here but `runners.actions` is
asked to change anything, and nothing but `storage.read` to tell anything."""
