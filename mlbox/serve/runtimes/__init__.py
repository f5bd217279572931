"""How models of each framework are computed: one file a framework."""
