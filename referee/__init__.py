"""The instrument: reads and edits attention, scores answers, and weighs the evidence.

Data flows one way: subjects → prompts → tokens → patterns → attention → scoring → sweep →
experiments; statistics → verdict. A module imports only from rooms upstream of it.
"""
