"""Problems with a fault, by the rule that must find it, and sound ones that look as if they had it.

Written for these tests in the manner of what stands in contests, forums and textbooks.
"""

from __future__ import annotations

PROOFS = [
    "Prove that $\\sqrt{2}$ is irrational.",
    "Let $a, b, c$ be positive reals with $abc = 1$. Prove that $a + b + c \\ge 3$.",
    "Show that for every positive integer $n$, the number $n^3 - n$ is divisible by 6.",
    "Let $ABCD$ be a cyclic quadrilateral. Show that $\\angle ABC + \\angle CDA = 180^\\circ$.",
    "Given a triangle with sides $a$, $b$, $c$, prove $a^2 + b^2 + c^2 \\ge 4\\sqrt{3}S$.",
    "Prove or disprove: every bounded sequence converges.",
    "Demonstrate that the medians of a triangle meet in one point.",
    "Verify that $\\cos 2x = 1 - 2\\sin^2 x$ for all real $x$.",
    "Let $p$ be a prime number greater than 3; prove that $24$ divides $p^2 - 1$.",
    "Suppose that $f$ is continuous on $[0, 1]$. Prove the existence of a fixed point. "
    "Justify each step.",
    "Give a proof of the Cauchy-Schwarz inequality.",
    "**Prove:** if $n$ is odd, then $n^2$ is odd.",
    "If $x + y = 1$, then show that $x^2 + y^2 \\geq \\frac{1}{2}$.",
    "设 $a,b>0$,求证:$\\frac{a}{b}+\\frac{b}{a}\\ge 2$。",
    "证明:对任意正整数 $n$,$n^2+n$ 是偶数。",
    "已知 $\\triangle ABC$ 中 $AB=AC$,请证明 $\\angle B=\\angle C$。",
    "在平行四边形 $ABCD$ 中,证明对角线互相平分。",
]
NO_PROOFS = [
    "Prove that $x = 1$ is a root, and find the other root of $x^2 - 3x + 2$.",
    "The results show that 30 of 50 students like tea. What share of them does?",
    "Lena wants to prove that she can save $5 a day. How much has she after 8 days?",
    "If you can show that $n$ is even in 3 steps, how many steps do 4 such proofs take?",
    "What is the minimum of $x^2 + 1$? Justify your answer.",
    "身份证明书每份 2 元,买 5 份要多少元?",
]

PARTS = [
    "Let $f(x) = x^2$. (a) Find $f(3)$. (b) Find $f(f(2))$.",
    "A ball is thrown upward at 20 m/s.\na) How high does it rise?\nb) When does it land?",
    "A box holds 3 red and 5 blue balls.\n1. What is the probability of red?\n"
    "2. What is the probability of two reds in a row?",
    "Consider $y' = y$.\n(i) Solve it.\n(ii) Determine the solution with $y(0) = 2$.",
    "(1) Compute $2^{10}$. (2) Compute $3^5$.",
    "Part A) Calculate the mass of the block. Part B) Calculate its weight.",
    "已知数列 $a_n = 2n + 1$。(1)求 $a_5$;(2)求前 10 项的和。",
    "一辆车 3 小时行 180 千米。"
    "\uff081\uff09每小时行多少千米\uff1f\uff082\uff095 小时行多少千米\uff1f",
    "What is the capital of France? How many people live there?",
    "How many apples does Tom have left? And how much did he pay in total?",
    "小明有 5 元,买了 3 个苹果。每个苹果多少元?还剩多少元?",
    "The sides of a triangle are 3, 4, 5. **(a)** What is its area? **(b)** What is its inradius?",
    "I. Find the domain of $f$. II. Find the range of $f(x) = \\sqrt{x}$.",
    "Let $a_1 = 1$.\na. Write the first four terms of $a_{n+1} = 2a_n$.\n"
    "b. Give a formula for $a_n$.",
]
ONE_QUESTION = [
    "Which of these is prime? (a) 4 (b) 5 (c) 6",
    "Which is the largest?\n(A) $\\frac12$\n(B) $\\frac23$\n(C) $\\frac34$",
    "The function $f$ satisfies (1) $f(0) = 1$ and (2) $f(x + 1) = 2f(x)$. What is $f(5)$?",
    "Find $x$ and $y$ if $x + y = 5$ and $x - y = 1$.",
    'Ann asks, "How old are you?" Ben says, "Twice as old as you." Ann is 7. How old is Ben?',
    "What is the chance of a six? That is, in what share of throws does a die show six?",
    "Find $f(a) + f(b)$ where $f(x) = x + 1$, $a = 2$ and $b = 3$.",
    "在等差数列中,已知条件(1)首项为 2,(2)公差为 3,求第 10 项。",
]

FIGURES = [
    "In the figure below, $AB \\parallel CD$. Find $\\angle x$.",
    "What is the area of the shaded region in the diagram?",
    "The diagram shows a rectangle cut into four squares. What is its perimeter?",
    "In triangle $ABC$, as shown, $D$ lies on $BC$. Find $AD$.",
    "Use the graph below to find $f(2)$.",
    "![](triangle.png) What is the length of the hypotenuse?",
    "Find the missing angle. <img src='https://a.b/c.jpg'>",
    "Refer to Figure 3. What is the current through $R_2$?",
    "The bar chart shown gives sales by month. In which month were they highest?",
    "The picture below shows a cube with a corner cut off. How many edges has it?",
    "According to the figure on the right, how long is the ladder?",
    "What fraction of the square is shaded? [image]",
    "Point $P$ moves along the path as shown in the diagram. How far does it go?",
    "如图,在 $\\triangle ABC$ 中,$AB=AC=5$,求 $BC$。",
    "下图是一个长方形,求阴影部分的面积。",
    "Calculate the area of the polygon shown below.",
    "See the attached photo: area.jpeg. What is the total area?",
    "\\includegraphics[width=3cm]{circle} Find the circumference of the circle.",
    "In the accompanying figure, the two circles are tangent. Find the ratio of their radii.",
    "The following graph shows the position of a car over time. When is it at rest?",
]
NO_FIGURES = [
    "How many three-digit numbers have a figure 7 in them?",
    "Round 0.004567 to three significant figures.",
    "Draw a Venn diagram in your head: 20 like tea, 15 coffee, 5 both. How many like either?",
    "Sketch the graph of $y = x^2$ and find its minimum.",
    "How many pictures can Amy paint in 6 hours at 2 an hour?",
    "A graph with 5 vertices has every two joined. How many edges has it?",
    "Find the area below the graph of $y = x$ between 0 and 2.",
    "A plane figure is bounded by $y = x^2$ and $y = 4$. What is its area?",
    "The table shows prices. \\begin{tabular}{|c|c|} tea & 2 \\\\ coffee & 3 \\end{tabular} "
    "As shown, what do both cost?",
    "[asy] draw((0,0)--(4,0)--(4,3)--cycle); [/asy] In the diagram, what is the hypotenuse?",
    "The company's figures show a profit of $5 million. What is 10% of it?",
    "一张图片有 3 兆,10 张图片共多少兆?",
]

LINKS = [
    "Summarise the article at https://www.nature.com/articles/d41586-024-00001-0.",
    "See http://codeforces.com/problemset/problem/4/A for the statement. Solve it.",
    "What does [this page](https://en.wikipedia.org/wiki/Prime_number) say about 91?",
    "Solve the problem at www.mathlinks.ro/viewtopic.php.",
    "The data are <a href=data.csv>here</a>. What is their mean?",
    "Explain https://arxiv.org/abs/2501.12948 to a child.",
]
NO_LINKS = [
    "Write a function that takes the host out of 'https://example.com/a/b'.",
    "A server listens at http://localhost:8000. Which port is that?",
    "Simplify $[a](b)$ where $a = 2$ and $b = 3$.",
]

OPTIONLESS = [
    "Which of the following is a prime number?",
    "Which of the following statements is true?",
    "Which one of the following best describes photosynthesis?",
    "What of the following is an acid?",
    "Choose the correct answer.\nThe derivative of $x^2$ is",
    "Select the best option to fill the gap in the sentence.",
    "下列说法正确的是( )",
    "以下哪个是质数?",
    "Which of the following is not a mammal?",
]
WITH_OPTIONS = [
    "Which of the following is a prime number? A. 4 B. 5 C. 6",
    "Which of the following is larger: 2/3 or 3/4?",
    "Which of the following are even?\n- 3\n- 4\n- 6",
    "Which of the following numbers is the greatest? 0.3, 0.33, 0.303",
    "下列说法正确的是( )\nA. 1 是质数\nB. 2 是质数",
    "以下哪个是质数:4、5、6?",
    "Tom has 3 apples and 2 pears. Which of these has he more of?",
]

CONTEXTLESS = [
    "According to the passage, why did the author leave Paris?",
    "Based on the text, what is the main idea?",
    "Using the result of the previous problem, find $f(3)$.",
    "As in Problem 5, find the volume of the solid.",
    "What is the answer to the above question if $n = 10$?",
    "Read the following story and say who the hero is.",
    "What does the code above print?",
    "Using the answer from part (a), compute the mean.",
    "What is the mode in the table above?",
    "接上题,若 $n=5$,求结果。",
    "根据短文,作者为什么离开巴黎?",
    "阅读下面的短文,回答作者是谁。",
    "Summarise the following article in two sentences.",
    "What is the last name in the following list?",
]
WITH_CONTEXT = [
    "Read the passage and say who left.\n\nAnna stayed in Paris. Ben left it in 1920.",
    "What does the following code print? ```print(3 + 4)```",
    'In the following sentence, which word is a verb: "Dogs bark"?',
    "From the following list of numbers, which is prime: 4, 5, 6?",
    "In the last task he did, Tom earned $5; in the one before, $3. What did he earn in both?",
    "Write a program that prints the sum of a list.",
    "Let (a) be the first and (b) the second case. From part (a), what follows for $x = 2$?",
]

UNFINISHED = [
    "",
    "   ",
    "...",
    "Find the sum of the",
    "If $x = 3$ and",
    "Let $f(x) = \\frac{1}{x",
    "Solve the system \\begin{cases} x + y = 2 \\\\ x - y",
    "Which of the following:",
    "Tom has 5 apples, and gives 3 of them to Ann,",
    "A train leaves at 9 and arrives at the sta...",
    "Let $ABC$ be a triangle with right angle at $C$.",
    "There are 30 students in a class and 12 of them are girls.",
    "Choose one of the following:",
    "We have \\[ x^2 + y^2 = 1",
    "小明有三个苹果,小红有五个苹果。",
]
FINISHED = [
    "3 + 4 =",
    "$2x + 3 = 7$",
    "Compute $\\sin 60^\\circ$.",
    "A pen costs $2 and a book costs $5. How much do both cost?",
    "The sum of the first 10 primes.. what is it?",
    "小明有三个苹果,又买了五个,现在有几个?",
    "If $x = 3$, then $x^2 =$",
    "The value of $3!$ is (A) 3 (B) 6 (C) 9",
    "Solve: $x^2 = 4$",
    "Find the next term: 1, 4, 9, 16, ...",
]

ANSWERED = [
    ("What is 3 + 4?\nAnswer: 7", "7"),
    ("What is 3 + 4? The answer is 7.", "7"),
    ("What is 3 + 4?\nSolution: We add and get 7.", "7"),
    ("What is 3 + 4?\n#### 7", "7"),
    ("Find $x$ if $2x = 4$. $\\boxed{2}$", "2"),
    ("求 3 加 4。\n答案:7", "7"),
    ("3 加 4 等于几?答案是 7。", "7"),
    ("**Answer:** 12\n\nHow many eggs are in a dozen?", "12"),
    ("How many eggs are in a dozen?\nFinal answer: 12", "12"),
    (
        "Solve $x^2 = 2 + \\sqrt{3}$. Hint: $x = \\pm\\sqrt{2 + \\sqrt{3}}$.",
        "\\pm \\sqrt{2 + \\sqrt{3}}",
    ),
    ("Ans: 5\nWhat is 2 + 3?", "5"),
]
UNANSWERED = [
    ("What is 3 + 4? Put your final answer within \\boxed{}.", "7"),
    ("What is 3 + 4?\nAnswer: $ANSWER (without quotes), where $ANSWER is the number.", "7"),
    ("What is 3 + 4?\nAnswer:", "7"),
    ("What is 3 + 4? Give it in the form\nAnswer: [number]", "7"),
    ("If the answer is written as $\\frac{a}{b}$, what is $a + b$ for $\\frac34$?", "7"),
    ("Is 7 = 3 + 4, true or false?", "true"),
    ("Which is it? (A) $\\sqrt{2} + \\sqrt{3}$ (B) $\\sqrt{5}$", "\\sqrt{2}+\\sqrt{3}"),
]
