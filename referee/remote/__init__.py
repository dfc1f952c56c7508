"""A session of a model that a service hosts: what is sent, what is executed there, and what comes back."""
