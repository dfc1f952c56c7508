"""Wordings of the question, and neutral words that can stand in the place of an instruction.

Only the first instruction contains full stops, because in many tokenizers they have the token of the decimal point.
"""

from __future__ import annotations

INSTRUCTIONS = (
    "Which number is bigger? Please compare these numbers: which is the bigger number? The question is which of these"
    " numbers is bigger. Compare these two numbers, please. What is the answer? Answer the question: which number is"
    " bigger? Please answer.",
    "Please decide which of the two numbers above is the larger one:",
    "Look at both numbers, then write down the greater of the two:",
    "Here are two decimals: compare their values, then name the higher one, please:",
    "One of these numbers has more value than its partner: which one is it?",
    "Read the pair of numbers carefully, then choose whichever is bigger:",
    "Your task: find the maximum of the given pair of numbers:",
    "Suppose these were prices in a shop: which price would be higher?",
    "A student wants to know which of these decimals is greater, so please help:",
    "Imagine both values on a number line: which lies further to the right?",
    "Compare, as decimal numbers, the first value with the second value: which wins?",
    "Give only the larger number, without any explanation, as your reply:",
    "Think step by step, then state which decimal number exceeds the other:",
    "Task: numerical comparison, input: the pair above, output: the larger value:",
    "Can you say which of these two quantities is the larger quantity?",
    "If you sorted both numbers from small to large, which would come last?",
    "Between the numbers just mentioned, please pick the one with the higher value:",
    "Instruction: select from this pair the decimal number with the greatest size:",
    "User request: determine whether the first number is bigger than the second, then answer:",
    "Dear assistant, I would like to know: which of my two numbers is larger?",
    "Quiz: two numbers appear above, only one is greater, which one?",
    "As a careful mathematician, judge the size of both numbers, then report the bigger:",
    "Evaluate both decimals, determine the greater, and respond with that number alone:",
    "We measured two lengths in metres: which of the measured lengths is longer?",
    "Attention please: of the values shown here, we need the highest, so which is it?",
)
"""Instructions that ask to compare two numbers. The first one is long, and the others have 6 to 20 words."""

WORDINGS = (
    "Which is bigger:",
    "Which is larger:",
    "Which is greater:",
    "Which is higher:",
    "Which number is bigger:",
    "Which number is larger:",
    "Which number is greater:",
    "Which value is higher:",
    "Which one is bigger:",
    "Which of these is larger:",
    "Which of the two is bigger:",
    "What is the bigger number:",
    "What is the larger value:",
    "Which decimal is greater:",
    "Which has the greater value:",
    "Please say which is bigger:",
)
"""Wordings of the question in the Q&A format. The first one is that of the seed document."""

FILLERS = {"content words": " table", "connectives": " and", "line breaks": " \n", "full stops": " ."}
"""Neutral words by kind. A space keeps line breaks apart, and also full stops: tokenizers join them without it."""
