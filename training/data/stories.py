"""Seeded generator of simple, coherent stories in the English of a small child.

A story is a hero, a place and one of many plots; a plot is a chain of scenes (opening, want, trouble, attempts,
helper, resolution, ending) and every scene is worded from a pool of sentences that agree with the people and things
of the story. The number of distinct skeletons grows with the product of the pools, so tens of thousands of stories
share few whole sentences.

    python -m training.data.stories --count 3 --seed 7

`tales` gives the samples for training: half of them as a chat that asks for a story about its people.
"""

import argparse
import hashlib
import random

GIRLS = ("Lily Mia Anna Sara Lucy Emma Zoe Ella Ruby Nora Molly Sue Amy Rose Grace Tina Kate Maya Daisy Jane Lola Eva "
         "Clara Ivy Holly Penny Nina Mary Alice Olive").split()
BOYS = ("Tom Ben Max Tim Sam Jack Leo Finn Noah Jake Billy Joe Oscar Luke Bob Peter Adam Danny Theo Eli Charlie Henry "
        "Owen Will Toby Nick Alex Ravi Omar Hugo").split()
ANIMALS = {  # kind: (names, home, sound)
    "rabbit": ("Flop Clover Bunny Hazel", "a burrow under the hill", "hop"),
    "bear": ("Bruno Honey Benny Paws", "a cave in the woods", "stomp"),
    "fox": ("Rusty Foxy Red Amber", "a den by the old oak", "run"),
    "mouse": ("Pip Squeak Milo Crumb", "a hole in the wall", "scurry"),
    "duck": ("Daffy Puddle Waddle Dilly", "a nest by the pond", "waddle"),
    "squirrel": ("Nutty Chip Hazel Sandy", "a hole in a tall tree", "jump"),
    "frog": ("Freddy Hopper Lily Green", "a leaf on the pond", "hop"),
    "hedgehog": ("Spike Prickle Hedgy Thorn", "a pile of dry leaves", "walk"),
    "kitten": ("Mittens Whiskers Tiger Smokey", "a basket by the fire", "creep"),
    "puppy": ("Spot Biscuit Rex Buddy", "a little red house in the yard", "run"),
    "owl": ("Hoot Olly Wise Luna", "a hole in an old tree", "fly"),
    "turtle": ("Shelly Timmy Slow Tuck", "a rock by the river", "crawl"),
    "bird": ("Tweet Robin Sky Blue", "a nest in the apple tree", "fly"),
    "pig": ("Percy Rosie Oink Poppy", "a pen on the farm", "trot"),
    "elephant": ("Ellie Trunky Gray Jumbo", "a hut near the river", "stomp"),
    "monkey": ("Momo Coco Charlie Kiki", "a tree in the jungle", "swing"),
}
ADJ_HERO = "little kind brave curious happy shy clever cheerful gentle quiet friendly lively".split()
PLACES = ["the park", "the garden", "the forest", "the beach", "the farm", "the meadow", "the village", "the river",
          "the hill behind the house", "the big field", "the old barn", "the playground", "the pond", "the yard"]
WEATHER = ["The sun was shining and the sky was blue.", "It was a warm and sunny day.", "The air was cool and fresh.",
           "The birds were singing in the trees.", "A soft wind moved the leaves.", "White clouds floated in the sky.",
           "The grass was green and soft.", "It had rained in the night, and everything was wet and shiny.",
           "The flowers were bright and smelled sweet.", "It was a quiet morning.", "The leaves were red and gold.",
           "Snow lay on the roofs and the trees."]
TOYS = ["red ball", "teddy bear", "toy car", "blue kite", "wooden boat", "little drum", "toy train", "doll",
        "yellow truck", "toy robot", "green balloon", "shiny whistle", "box of crayons", "picture book", "puzzle",
        "rubber duck", "toy airplane", "spinning top"]
TREASURES = ["a shiny coin", "a gold key", "a pretty shell", "a smooth white stone", "a tiny silver bell",
             "an old map", "a small wooden box", "a blue feather", "a red button", "a glass marble", "a little ring",
             "a bright gem"]
FOODS = ["an apple", "a cookie", "a piece of cake", "a carrot", "some berries", "a sandwich", "a banana", "a pear",
         "some nuts", "a bun", "a piece of cheese", "a bowl of soup", "some honey", "a pie", "a plum"]
BAKES = ["a cake", "a pie", "some cookies", "some bread", "a big pizza", "some muffins", "a pot of soup", "pancakes"]
BUILDS = [("a tree house", "wood and nails"), ("a sand castle", "wet sand and shells"), ("a little boat", "sticks and a big leaf"),
          ("a tower", "blocks"), ("a bird house", "wood and paint"), ("a fort", "pillows and blankets"),
          ("a snowman", "snow and a carrot"), ("a small bridge", "stones and sticks"), ("a kite", "paper and string"),
          ("a raft", "logs and rope")]
SKILLS = [("ride a bike", "rode", "fell off"), ("swim", "swam", "swallowed some water"), ("fly a kite", "flew the kite", "dropped the string"),
          ("skate", "skated", "slipped"), ("climb the big tree", "climbed the tree", "slid down"), ("play the drum", "played the drum", "lost the beat"),
          ("jump rope", "jumped", "tripped on the rope"), ("whistle", "whistled", "only blew air"), ("catch the ball", "caught the ball", "missed the ball"),
          ("read", "read a whole page", "mixed up the letters"), ("draw a horse", "drew a horse", "made a funny shape"), ("dance", "danced", "stepped on a toe"),
          ("tie shoes", "tied both shoes", "made a big knot")]
SCARES = [("a loud noise", "a cat that had knocked over a pot"), ("a dark shadow", "a coat on a chair"),
          ("a strange sound", "the wind in the window"), ("two bright eyes", "a friendly owl"),
          ("a big splash", "a fish that had jumped"), ("a scratching sound", "a tiny mouse that was looking for food"),
          ("a low growl", "a hungry puppy"), ("a tall white thing", "a sheet on the line"), ("a tapping sound", "a branch on the glass")]
HURT = [("bird", "its wing was hurt"), ("kitten", "it was stuck in a tree"), ("puppy", "it had lost its way"),
        ("rabbit", "its foot was caught in a net"), ("turtle", "it was lying on its back"), ("butterfly", "it was stuck in a web"),
        ("duckling", "it could not find its mother"), ("squirrel", "it was cold and wet"), ("hedgehog", "it had fallen into a hole"),
        ("lamb", "it was caught in a bush"), ("frog", "it was far away from the water"), ("bee", "it had fallen into the water")]
SEEDS = [("a seed", "a tall sunflower"), ("a bean", "a long green bean plant"), ("a tiny seed", "a big orange pumpkin"),
         ("a bulb", "a red tulip"), ("a brown seed", "a sweet melon"), ("an acorn", "a little oak tree"),
         ("some seeds", "a row of orange carrots"), ("a small seed", "a bush full of roses"), ("a stone from a peach", "a small peach tree")]
BREAK = [("vase", "flowers"), ("cup", "tea"), ("window", "the yard"), ("plate", "dinner"), ("lamp", "light"), ("jar", "jam"), ("clock", "time"),
         ("mirror", "light"), ("bowl", "fruit")]
LESSONS = {
    "share": ["sharing makes everyone happy", "it is more fun to share", "good things are better together"],
    "truth": ["it is always best to tell the truth", "telling the truth is brave", "an honest child is always loved"],
    "try": ["you should never give up", "trying again is how you learn", "practice makes hard things easy"],
    "help": ["even small friends can be a big help", "helping others feels good", "a kind heart is a great gift"],
    "brave": ["being brave means trying even when you are scared", "things in the dark are not so scary", "it is good to look before you run away"],
    "listen": ["it is important to listen", "it is good to be careful", "moms and dads know many things"],
    "wait": ["good things take time", "it pays to wait", "small things grow when you take care of them"],
    "friend": ["friends can be found anywhere", "a friend is better than any toy", "it is nice to be kind to someone new"],
    "rain": ["a bad day can turn into a good one", "you can have fun in any weather", "it helps to have a new idea"],
    "kind": ["kind words are better than mean ones", "it is good to say sorry", "being nice is better than winning"],
}


def a(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def cap(text: str) -> str:
    for i, ch in enumerate(text):
        if ch.isalpha():
            return text[:i] + ch.upper() + text[i + 1:]
    return text


class Person:
    """Someone in a story: a name, the words for it and its pronouns."""

    def __init__(self, name, kind, female, animal=False, home=None, move="walk"):
        self.name, self.kind, self.female, self.animal, self.home, self.move = name, kind, female, animal, home, move
        self.he, self.him, self.his = ("she", "her", "her") if female else ("he", "him", "his")
        self.He, self.His = cap(self.he), cap(self.his)

    def __str__(self):
        return self.name


class Teller:
    """The state of one story: who, where, and a random source; scenes return lists of sentences."""

    def __init__(self, rng: random.Random):
        self.r = rng
        self.animal_world = rng.random() < 0.3
        self.used = set()
        self.hero = self.person()
        self.friend = self.person()
        self.place = rng.choice(PLACES)
        self.adj = rng.choice(ADJ_HERO)
        self.grown = self.grown_up()

    def pick(self, *options):
        return self.r.choice(options)

    def maybe(self, p, *options):
        return [self.r.choice(options)] if self.r.random() < p else []

    def person(self):
        while True:
            if self.animal_world:
                kind = self.r.choice(sorted(ANIMALS))
                names, home, move = ANIMALS[kind]
                name, female = self.r.choice(names.split()), self.r.random() < 0.5
                candidate = Person(name, kind, female, True, home, move)
            else:
                female = self.r.random() < 0.5
                candidate = Person(self.r.choice(GIRLS if female else BOYS), "girl" if female else "boy", female)
            if candidate.name not in self.used and candidate.kind not in (self.used if self.animal_world else ()):
                self.used |= {candidate.name, candidate.kind}
                return candidate

    def grown_up(self):
        if self.animal_world:
            words = [("Mother " + cap(self.hero.kind), True), ("Father " + cap(self.hero.kind), False), ("the old owl", False),
                     ("Grandma " + cap(self.hero.kind), True)]
        else:
            words = [("Mom", True), ("Dad", False), ("Grandma", True), ("Grandpa", False)]
        name, female = self.r.choice(words)
        return Person(name, "grown-up", female)

    def g(self):
        """The grown-up as the hero's own: "his mom", "Grandma", "the old owl"."""
        n = self.grown.name
        return f"{self.hero.his} {n.lower()}" if n in ("Mom", "Dad", "Grandma", "Grandpa") else n

    def call(self):
        """How the hero speaks to the grown-up."""
        n = self.grown.name.split()[0]
        return {"Mother": "Mother", "Father": "Father", "the": "Owl"}.get(n, n)

    # Scenes shared by all plots ---------------------------------------------------------------------------------

    def opening(self):
        h, adj = self.hero, self.adj
        who = f"{h.kind} named {h}"
        first = self.pick(
            f"Once upon a time, there was {a(adj)} {who}.", f"Once there was {a(adj)} {who}.",
            f"One day, {a(adj)} {who} went to {self.place}.", f"There was once {a(adj)} {who}.",
            f"{h} was {a(adj)} {h.kind}.", f"Once upon a time, {a(adj)} {who} lived near {self.place}.",
            f"Long ago, in a small village, there lived {a(adj)} {who}.",
            f"In a little house near {self.place}, there lived {a(adj)} {who}.")
        out = [first]
        if h.animal:
            out += self.maybe(0.7, f"{h} lived in {h.home}.", f"{h.His} home was {h.home}.",
                              f"{h} loved to {h.move} around {self.place}.")
        else:
            age = self.pick("three", "four", "five", "six")
            out += self.maybe(0.6, f"{h} was {age} years old.", f"{h} lived with {h.his} mom and dad.",
                              f"{h} loved to play outside.", f"{h} liked to sing and run and jump.",
                              f"{h.He} had a big smile and {self.pick('brown', 'black', 'curly', 'long', 'short')} hair.",
                              f"{h} lived in a small house with a {self.pick('red', 'green', 'blue', 'white')} door.")
        return out

    def day(self):
        when = self.pick("One day", "One morning", "One sunny day", "One afternoon", "That day", "On Sunday", "One fine day",
                         "The next day", "In the spring")
        return when

    def sky(self):
        return self.maybe(0.45, *WEATHER)

    def said(self, who, feeling=None):
        """`said Lily` with variations that fit after a statement."""
        verb = self.pick("said", "said", "said", "answered", "told them")
        if verb == "told them":
            verb = "said"
        return f"{verb} {who}"

    def feel_sad(self, h):
        return self.pick(f"{h} felt very sad.", f"{h} wanted to cry.", f"A tear ran down {h.his} cheek.", f"{h} was upset.",
                         f"{h} sat down and sighed.", f"{h.He} did not know what to do.", f"{h} felt a lump in {h.his} throat.")

    def feel_glad(self, h):
        return self.pick(f"{h} was so happy.", f"{h} smiled a big smile.", f"{h} jumped up and down with joy.",
                         f"{h} laughed and clapped {h.his} hands." if not h.animal else f"{h} laughed and spun around.",
                         f"{h} felt warm and happy inside.", f"{h} was very proud.", f"{h}'s eyes were bright with joy.")

    def thank(self, who, helper):
        return self.pick(f'"Thank you so much, {helper}!" said {who}.', f'"Thank you!" said {who}, and {who.he} gave {helper} a big hug.',
                         f"{who} thanked {helper} again and again.", f'"You are the best," {who} told {helper}.',
                         f'{who} hugged {helper} and said, "Thank you for helping me."')

    def ending(self, theme):
        h, f = self.hero, self.friend
        lesson = self.r.choice(LESSONS[theme])
        out = self.maybe(0.75, f"From that day on, {h} knew that {lesson}.", f"{h} learned that {lesson}.",
                         f'"Now I know that {lesson}," said {h}.', f'{cap(self.g())} smiled and said, "You see, {lesson}."',
                         f"{h} never forgot that {lesson}.", f"That day, {h} learned that {lesson}.")
        out += self.maybe(0.75, f"That night, {h} went to bed with a smile.", "They all lived happily ever after.", "And everyone was happy.",
                          f"{h} and {f} stayed friends for a long, long time.", "It was the best day ever.",
                          f"When the sun went down, {h} went home and slept well.", f"{h} could not wait for the next day.",
                          f"Then {h} went home and told {self.g()} all about it.", "The end.")
        return out or [f"{h} learned that {lesson}."]

    # Plots: each returns a list of paragraphs (lists of sentences) -----------------------------------------------

    def lost_toy(self):
        h, f, r = self.hero, self.friend, self.r
        toy = r.choice(TOYS)
        where = self.pick("under the bed", "behind a big tree", "in the tall grass", "under a bush", "on top of a wall", "in a hole",
                          "behind the door", "under a pile of leaves", "in the mud", "inside an old box")
        tried = r.sample([("under the table", "only dust"), ("in the basket", "an old sock"), ("behind the chair", "a spider"),
                          ("near the gate", "some stones"), ("by the water", "a green frog"), ("under the bench", "a leaf"),
                          ("in the bag", "a spoon"), ("behind the shed", "a sleepy cat")], 2)
        p1 = [f"{h} had a {toy}.", self.pick(f"{h.He} loved it more than anything.", f"It was {h.his} favorite toy.",
              f"{h.He} took it everywhere.", f"{h} played with it every day.")]
        p2 = [f"{self.day()}, {h} could not find the {toy}.", self.feel_sad(h),
              f"{h.He} looked {tried[0][0]}, but {h.he} found {tried[0][1]}."]
        p2 += self.maybe(0.7, f"{h.He} looked {tried[1][0]}, but there was just {tried[1][1]}.")
        p2 += self.maybe(0.5, f'"Where is my {toy}?" {h.he} cried.', f'"Oh no, my {toy} is gone!" said {h}.')
        p3 = [self.pick(f"{f} came by and saw {h}.", f"Then {h.his} friend {f} came to play.", f"{f} heard {h} and came to help."),
              self.pick(f'"What is wrong?" asked {f}.', f'"Why are you sad?" asked {f}.', f'"Can I help you?" asked {f}.'),
              self.pick(f'"I lost my {toy}," said {h}.', f'"My {toy} is gone," {h} said in a small voice.'),
              self.pick(f'"Let us look together," said {f}.', f'"Do not worry, we will find it," said {f}.', f'"Four eyes are better than two," said {f}.')]
        p4 = [self.pick("They looked and looked.", "They looked high and low.", f"They went all over {self.place}.", "They searched for a long time."),
              f'At last, {f} saw something {where}.', self.pick(f'"Look!" {f.he} shouted. It was the {toy}!', f"It was the {toy}!", f'"I found it!" said {f}. "Here is your {toy}!"'),
              self.feel_glad(h), self.thank(h, f)]
        p4 += self.maybe(0.6, f"Then they played with the {toy} together.", f"{h} let {f} play with the {toy} too.", f"They took turns with the {toy} until it was time to go home.")
        return [p1, p2, p3, p4], "help"

    def share(self):
        h, f, r = self.hero, self.friend, self.r
        thing = r.choice(TOYS)
        p1 = [self.pick(f"{h} got a new {thing} from {self.g()}.", f"For {h.his} birthday, {h} got a {thing}.", f"{h} found a {thing} in a box at home."),
              f"It was {self.pick('bright', 'big', 'pretty', 'very special', 'shiny')}, and {h} liked it a lot."]
        p2 = [f"{self.day()}, {f} came to {self.place} and saw the {thing}.", self.pick(f'"Can I play with it?" asked {f}.', f'"May I try it, please?" asked {f}.', f'"Wow! Can I have a turn?" {f} asked.'),
              self.pick(f'"No, it is mine!" said {h}.', f'"No!" said {h}, and {h.he} held the {thing} tight.', f'{h} shook {h.his} head. "It is only for me," {h.he} said.'),
              self.pick(f"{f} looked at the ground and walked away.", f"{f} was sad and went to sit alone.", f"{f} did not say a word and turned away.")]
        p3 = [self.pick(f"{h} played alone, but it was not much fun.", f"{h} played for a while, but soon {h.he} was bored.", f"{h} had nobody to laugh with."),
              self.pick(f"{cap(self.g())} saw this and sat down next to {h}.", f"{cap(self.g())} came over to {h}."),
              self.pick(f'"How would you feel if you were {f}?" {self.grown.he} asked.', f'"A toy is more fun with a friend," {self.grown.he} said.', f'"Look at {f}. Do you think {f.he} is happy?" {self.grown.he} asked.'),
              self.pick(f"{h} thought about it.", f"{h} was quiet for a moment.", f"{h} felt bad.")]
        p4 = [self.pick(f"{h} went to {f}.", f"{h} ran to {f} with the {thing}."), self.pick(f'"I am sorry," said {h}. "Do you want to play with me?"', f'"Sorry, {f}. You can have a turn now," said {h}.', f'"Let us share it," said {h}.'),
              self.pick(f"{f} smiled and said yes.", f'"Yes, please!" said {f}.', f"{f}'s face lit up."),
              self.pick("They took turns and laughed a lot.", "They played together all day.", "They made up a new game, and it was a lot of fun."), self.feel_glad(h)]
        return [p1, p2, p3, p4], "share"

    def rescue(self):
        h, f, r = self.hero, self.friend, self.r
        kind, why = r.choice([x for x in HURT if x[0] != h.kind and x[0] != f.kind])
        p1 = [f"{self.day()}, {h} was walking near {self.place}."] + self.sky() + [self.pick(f"Suddenly, {h.he} heard a small sound.", f"Then {h.he} saw something move.", f"{h.He} stopped, because something was crying.")]
        p2 = [f"It was a little {kind}, and {why}.", self.pick(f'"Oh, you poor thing!" said {h}.', f'"Do not be afraid," {h} said softly.', f'"I will help you," said {h}.'),
              self.pick(f"The {kind} looked at {h.him} with big eyes.", f"The {kind} was shaking.", f"The {kind} made a sad sound.")]
        help_ = {"its wing was hurt": "wrapped the wing in a soft cloth", "it was stuck in a tree": "brought a long ladder and climbed up slowly", "it had lost its way": "walked with it from house to house until they found its home",
                 "its foot was caught in a net": "cut the net, one string at a time", "it was lying on its back": "turned it over with both hands", "it was stuck in a web": "pulled the sticky threads away with care",
                 "it could not find its mother": "carried it along the water until they heard a loud quack", "it was cold and wet": "dried it and kept it warm in a scarf", "it had fallen into a hole": "put a long stick into the hole so that it could climb out",
                 "it was caught in a bush": "bent the branches back, one by one", "it was far away from the water": "carried it gently to the pond", "it had fallen into the water": "held out a leaf so that it could climb on"}[why]
        p3 = [self.pick(f"{h} ran to get {f}.", f"{h} called for {f}.", f"{h} could not do it alone, so {h.he} asked {f} for help."), f"Together they {help_}."]
        p3 += self.maybe(0.6, "It was not easy, but they did not give up.", "It took a long time.", "They were very careful.", f"They gave the {kind} some water, too.")
        p4 = [self.pick(f"Soon the {kind} felt better.", f"At last, the {kind} was safe.", f"The {kind} was free and happy."),
              self.pick(f"It looked back once, as if to say thank you.", f'"{cap(self.g())} will be proud of us," said {f}.', f"It made a happy sound and went on its way.", f"It came back every day to visit {h}.")]
        p4 += [self.feel_glad(h)]
        p4 += self.maybe(0.4, f"A few days later, {h} lost {h.his} way in the fog, and the {kind} showed {h.him} the path home.", f"The next morning, there was {r.choice(TREASURES)} at {h}'s door. It was a gift from the {kind}.")
        return [p1, p2, p3, p4], "help"

    def skill(self):
        h, r = self.hero, self.r
        do, did, fail = r.choice(SKILLS)
        f = self.friend
        p1 = [f"{h} wanted to {do}.", self.pick(f"All {h.his} friends could do it.", f"{f} could do it very well.", f"{h.He} thought about it every day.", f"It looked so easy when {f} did it.")]
        p2 = [f"{self.day()}, {h} went to {self.place} to try.", f"The first time, {h.he} {fail}.", self.pick(f"The second time, {h.he} {fail} again.", f"{h.He} tried once more, and {h.he} {fail} again."),
              self.pick(f'"I will never learn it," said {h}.', f'"This is too hard!" {h} cried.', f'"I give up," said {h}, and {h.he} sat down.')]
        p3 = [self.pick(f"{cap(self.g())} came and sat next to {h.him}.", f"{cap(self.g())} saw it and smiled."), self.pick(f'"When I was small, I {fail} many times, too," said {self.g()}.', f'"Nobody can do it the first time," said {self.g()}.', f'"Go slow, and try a little every day," said {self.g()}.'),
              self.pick(f'"Really?" asked {h}.', f'"Will you help me?" asked {h}.', f"{h} wiped {h.his} eyes."), self.pick(f'"Yes," said {self.g()}. "Let us try together."', f'"Of course," said {self.g()}.')]
        p4 = [self.pick(f"So {h} practiced every day.", f"{h} tried again and again.", f"Day after day, {h} worked hard."), self.pick(f"It got a little easier each time.", f"Sometimes {h.he} {fail}, but {h.he} got up again.", f"Little by little, {h.he} got better."),
              f"Then, one day, {h} {did}{self.pick(' all by ' + ('herself' if h.female else 'himself'), ' without any help', '')}!", self.pick(f'"I did it! I did it!" {h.he} shouted.', f'"Look at me!" {h} called.', f"{cap(self.g())} clapped and cheered."), self.feel_glad(h)]
        return [p1, p2, p3, p4], "try"

    def scare(self):
        h, f, r = self.hero, self.friend, self.r
        sign, truth = r.choice(SCARES)
        p1 = [self.pick(f"One night, {h} was in bed.", f"One dark evening, {h} was alone in {h.his} room.", f"It was late, and {h} could not sleep.") if not h.animal else f"One night, {h} was at home in {h.home}.",
              self.pick("The moon was behind the clouds.", "It was very quiet.", "The wind blew outside.", "Rain fell on the roof.")]
        verb = "heard" if ("sound" in sign or "noise" in sign or "growl" in sign or "splash" in sign) else "saw"
        p2 = [f"Suddenly, {h.he} {verb} {sign}.", self.pick(f"{h} was very scared.", f"{h.His} heart went thump, thump, thump.", f"{h} hid under the blanket." if not h.animal else f"{h} hid in the corner."), self.pick(f'"Who is there?" {h.he} whispered.', f'"Is it a monster?" {h.he} thought.', f'"Go away!" {h.he} said, but nothing answered.')]
        if r.random() < 0.5:
            p3 = [f"{h} called {self.g()}.", self.pick(f'"What is it, {h}?" asked {self.g()}.', f"{cap(self.g())} came with a light."), self.pick(f'"There is a monster!" said {h}.', f'"Something is there," said {h}.'),
                  self.pick(f'"Let us look together," said {self.g()}, and took {h.his} hand.', f'"Come, we will be brave together," said {self.g()}.')]
        else:
            p3 = [self.pick(f"Then {h} took a deep breath.", f"{h} counted to three.", f"But {h} wanted to be brave."), self.pick(f'"I will go and look," {h.he} said.', f'"I am not afraid," {h.he} told {"herself" if h.female else "himself"}.'), self.pick(f"{h.He} took a small lamp and went closer, step by step.", f"Slowly, {h.he} went to see.")]
        p4 = [self.pick(f"And what was it? It was only {truth}!", f"It was just {truth}.", f"Then the light fell on it, and it was {truth}!"), self.pick(f"{h} began to laugh.", f'"How silly of me!" laughed {h}.', f'"That is all?" said {h}, and {h.he} smiled.'), self.pick(f"After that, {h} was not scared any more.", f"{h} went back to bed and fell asleep.", f"Soon {h} was fast asleep.")]
        p4 += self.maybe(0.4, f"In the morning, {h} told {f} the story, and they both laughed.")
        return [p1, p2, p3, p4], "brave"

    def garden(self):
        h, f, r = self.hero, self.friend, self.r
        seed, plant = r.choice(SEEDS)
        them = "them" if seed.startswith("some") else "it"
        p1 = [self.pick(f"{self.day()}, {self.g()} gave {h} {seed}.", f"{self.day()}, {h} found {seed} near {self.place}."), self.pick(f'"What is this?" asked {h}.', f'"What can I do with {them}?" asked {h}.'), self.pick(f'"Put {them} in the ground and give {them} water," said {self.g()}.', f'"Plant {them} and wait," said {self.g()}.')]
        p2 = [f"{h} dug a small hole and put {them} in.", self.pick(f"Every day, {h} brought water.", f"{h} gave water every morning."), self.pick("But nothing happened.", "Days went by, and there was only brown dirt."), self.pick(f'"Why does it not grow?" {h} asked.', f'"It is not working," {h} said sadly.', f"{h} wanted to dig in the dirt to look."),
              self.pick(f'"Be patient," said {self.g()}. "It needs time."', f'"Wait a little longer," said {self.g()}.', f'"It is sleeping under the ground," said {self.g()}. "Soon it will wake up."')]
        p3 = [self.pick("Then it rained, and the sun came out.", "One week later, the sun was warm."), self.pick(f"One morning, {h} saw a tiny green leaf!", f"A small green point came out of the ground!"), self.pick(f'"Look, look!" {h} shouted.', f'"It is growing!" said {h}.')]
        p3 += self.maybe(0.5, f"A {self.pick('snail', 'bird', 'rabbit')} wanted to eat it, but {h} made a little fence around it.", f"{f} came every day to help {h}.")
        p4 = [f"The plant grew and grew, and at last there was {plant}." if them == "it" else f"They grew and grew, and at last there was {plant}.", self.feel_glad(h), self.pick(f"{h} showed it to {f} and {self.g()}.", f"Everyone came to see it.", f'"You took good care of it," said {self.g()}.')]
        return [p1, p2, p3, p4], "wait"

    def broke(self):
        h, f, r = self.hero, self.friend, self.r
        thing, _ = r.choice(BREAK)
        p1 = [f"{self.day()}, {h} was playing with a ball in the house.", self.pick(f'"Please do not play with the ball inside," said {self.g()}.', f"{cap(self.g())} had told {h.him} to play outside."), self.pick(f"But {h} did not listen.", f"But it was cold outside, and {h} wanted to play.")]
        p2 = [f"{h} threw the ball, and it hit the {thing}.", self.pick(f"Crash! The {thing} broke.", f"The {thing} fell down and broke into many pieces."), self.pick(f"{h} was scared.", f"{h}'s face turned red.", f'"Oh no!" said {h}.'), self.pick(f"{h.He} wanted to hide the pieces.", f"{h.He} thought, \"Maybe nobody will see it.\"", f"{h.He} put the pieces under the rug.")]
        cat = self.pick("cat", "dog", "wind")
        p3 = [f"Soon {self.g()} came in.", f'"What happened to the {thing}?" {self.grown.he} asked.', self.pick(f'"It was the {cat}," {h} wanted to say.', f"{h} looked at the floor.", f"{h} did not say anything at first."), self.pick(f"But {h} did not want to lie.", f"Then {h} felt bad inside."), self.pick(f'"It was me," {h.he} said. "I am sorry."', f'"I broke it with my ball. I am very sorry," said {h}.')]
        p4 = [self.pick(f"{cap(self.g())} was not angry.", f"{cap(self.g())} was sad about the {thing}, but {self.grown.he} gave {h} a hug."), self.pick(f'"Thank you for telling me the truth," {self.grown.he} said.', f'"I am proud that you told me," {self.grown.he} said.'), self.pick(f"They cleaned the floor together.", f"Together they glued the pieces.", f"{h} helped to pick up the pieces."), self.pick(f"After that, {h} played with the ball outside.", f"Then {h} went out to play ball with {f}.")]
        return [p1, p2, p3, p4], "truth"

    def bake(self):
        h, f, r = self.hero, self.friend, self.r
        food = r.choice(BAKES)
        missing = self.pick("eggs", "milk", "sugar", "butter", "flour", "salt")
        for_ = self.pick(f"for {f}'s birthday", f"for {self.g()}", "for the party", "for the whole family", "because everyone was hungry")
        p1 = [f"{self.day()}, {h} wanted to make {food} {for_}.", self.pick(f"{h.He} put on an apron and washed {h.his} hands." if not h.animal else f"{h.He} washed {h.his} paws.", f"{h.He} took a big bowl and a spoon."), self.pick(f'"It will be yummy," said {h}.', f'"I can do it," said {h}.')]
        p2 = [f"But there was no {missing} in the kitchen." if missing != "eggs" else "But there were no eggs in the kitchen.", self.pick(f'"What now?" said {h}.', f'"Oh no," said {h}. "I can not bake without {missing}."'), f"So {h.he} went to {f}.", f'"Do you have some {missing}?" asked {h}.', self.pick(f'"Yes, I do," said {f}. "Can I help you bake?"', f'"I do! Let us make it together," said {f}.')]
        p3 = [self.pick("They mixed and stirred.", "They stirred the bowl and sang a song.", "They put everything into the bowl."), self.pick("There was flour on the floor and on their noses.", "Some of it fell on the floor, and they laughed.", "It was a big mess, but a happy mess."), self.pick(f"{cap(self.g())} helped them with the hot oven.", f"Then {self.g()} put it in the oven for them.")]
        it = "they" if food in ("some cookies", "some muffins", "pancakes") else "it"
        p4 = [f"Soon the house smelled {self.pick('sweet', 'very good', 'wonderful')}.", f"When {it} {'were' if it == 'they' else 'was'} ready, everyone had some.", self.pick(f'"This is the best I ever had!" said {self.g()}.', f'"Yum!" said {f}.', f"It was so good that nothing was left."), self.feel_glad(h)]
        return [p1, p2, p3, p4], "share"

    def build(self):
        h, f, r = self.hero, self.friend, self.r
        thing, of = r.choice(BUILDS)
        it = thing.split(" ", 1)[1]
        trouble = self.pick("the wind blew it down", "it fell down", "a dog ran into it", "a big branch fell on it", "the rain washed part of it away")
        p1 = [f"{self.day()}, {h} and {f} wanted to build {thing}."] + self.sky() + [self.pick(f"They got {of}.", f"They looked for {of} and found a lot."), self.pick(f'"It will be the best {it} in the world," said {h}.', f'"Let us make it big," said {f}.')]
        p2 = [self.pick("They worked all morning.", "They worked very hard.", "They worked and talked and laughed."), f"But then {trouble}.", self.feel_sad(h), self.pick(f'"All our work is gone," said {h}.', f'"Now it is no good," said {h}.', f'"It is not fair," {h} said.')]
        p3 = [self.pick(f'"We can build it again," said {f}. "This time we will make it strong."', f'"Do not be sad. We know how to do it now," said {f}.', f'{cap(self.g())} saw it and said, "Shall I show you how to make it stronger?"'), self.pick("So they started again.", f"{h} nodded and got up.", "They tried a new way."), self.pick("They put heavy stones at the bottom.", "They tied everything with a good rope.", "They made it wide and low.", "They checked every piece twice.")]
        p4 = [self.pick(f"When it was done, the {it} stood tall and strong.", f"At last, the {it} was ready, and it did not fall."), self.pick("The wind came again, but nothing happened.", f"{cap(self.g())} came to look and said it was very good.", "All their friends came to see it."), self.feel_glad(h)]
        return [p1, p2, p3, p4], "try"

    def lost_way(self):
        h, f, r = self.hero, self.friend, self.r
        lure = self.pick("a yellow butterfly", "a pretty bird", "a little rabbit", "a red fox", "a trail of berries", "a floating feather")
        helper = self.pick("an old man with a white beard", "a kind woman with a basket", "a wise owl", "a friendly dog", "a big gray horse", "a tall policeman") if not h.animal else self.pick("a wise owl", "an old turtle", "a kind deer", "a busy bee")
        hn = helper.split(" ", 1)[1]
        short = "the " + hn.split(" with ")[0]
        p1 = [f"{self.day()}, {h} went to {self.place} with {self.g()}.", self.pick(f'"Stay close to me," said {self.g()}.', f'"Do not go too far," said {self.g()}.'), f"But then {h} saw {lure}.", f"{h} followed it, farther and farther."]
        p2 = [f"When {h} looked around, {h.he} did not see {self.g()} any more.", self.pick("Everything looked strange.", "The trees were tall and dark.", "There was nobody there."), self.feel_sad(h), self.pick(f'"{self.call()}! Where are you?" {h.he} called.', f'"I am lost," {h.he} said.')]
        p3 = [f"Then {helper} came by.", f'"Why are you crying?" asked {short}.' if r.random() < 0.5 else f'"Are you lost, little one?" asked {short}.', self.pick(f'"I want to go home," said {h}.', f'"I can not find my way," said {h}.'), self.pick(f'"Do not be afraid. I know the way," said {short}.', f'"Come with me," said {short}. "I will help you."')]
        p4 = [self.pick(f"They went along the path and over a small bridge.", "They walked past the mill and down the hill.", "They went back the way step by step."), f"And there was {self.g()}!", self.pick(f"{h} ran into {self.grown.his} arms.", f"{cap(self.g())} hugged {h} for a long time."), self.pick(f'"I was so worried," {self.grown.he} said.', f'"I am so glad you are safe," said {self.g()}.'), f'"I will stay close to you next time," said {h}.', f"They both thanked {short}."]
        return [p1, p2, p3, p4], "listen"

    def new_friend(self):
        h, f, r = self.hero, self.friend, self.r
        p1 = [self.pick(f"{h} had no one to play with.", f"{h} was new in the village and did not know anyone.", f"{h} often felt lonely."), self.pick(f"Every day, {h.he} sat alone near {self.place}.", f"{h.He} wished for a friend.")]
        food = r.choice(FOODS)
        p2 = [f"{self.day()}, {h} saw someone at {self.place}." if not self.place.startswith("the hill") else f"{self.day()}, {h} saw someone on the hill.", f"It was {a(f.kind)}. {f.He} was {self.pick('sitting on a bench', 'looking at the clouds', 'drawing with a stick', 'throwing stones into the water', 'picking flowers')}.",
              self.pick(f"{h} was shy and did not know what to say.", f"{h} wanted to say hello, but {h.he} was afraid."), self.pick(f"Then {h.he} had an idea.", f"{h.He} took a deep breath and went closer.")]
        p3 = [f'"Hello, my name is {h}," said {h}. "Do you want {food}?"', self.pick(f'"Oh, yes, thank you!" said {f}. "I am {f}."', f'"Thank you. I am {f}," said {f} with a smile.'), self.pick(f'"I was lonely, too," said {f}.', f'"I just moved here, and I do not know anyone," said {f}.', f'"Nobody ever asked me before," said {f}.'), self.pick("They ate and talked and laughed.", f"They shared {food} and told each other funny stories.")]
        game = self.pick("hide and seek", "tag", "ball", "pirates", "a new game", "catch")
        p4 = [f"Then they played {game} until the sun went down.", self.pick(f'"Will you come back tomorrow?" asked {h}.', f'"Let us meet again tomorrow," said {h}.'), self.pick(f'"Yes, and the day after, too!" said {f}.', f'"I will," said {f}.'), f"Now {h} was not alone any more."]
        return [p1, p2, p3, p4], "friend"

    def rainy(self):
        h, f, r = self.hero, self.friend, self.r
        plan = self.pick("have a picnic", "go to the beach", "fly a kite", "go to the zoo", "play ball outside", "ride their bikes", "go fishing")
        inside = self.pick("a tent out of blankets", "a ship out of boxes", "paper hats", "a puppet show with old socks", "a train out of chairs", "a castle out of pillows")
        p1 = [f"{h} and {f} wanted to {plan}.", self.pick("They had waited for it all week.", f"{h} was so excited that {h.he} could not sleep.", "They had packed a big bag."), self.pick(f"But in the morning, it was raining.", "But then dark clouds came, and it began to rain.")]
        p2 = [self.pick("Drip, drop, drip, drop.", "The rain fell harder and harder.", "Thunder rolled in the sky."), f'"Now we can not {plan}," said {h}.', self.feel_sad(h)]
        p3 = [self.pick(f'"I have an idea," said {f}.', f'{cap(self.g())} said, "You can have fun at home, too."'), f"They made {inside}.", self.pick(f"{h} was the captain, and {f} was the cook.", f"{h} was the king, and {f} was the dragon.", "They told stories and ate cookies.", f"Even {self.g()} came to play."), self.pick("They forgot all about the rain.", "They laughed so much that their bellies hurt.")]
        p4 = [self.pick("In the evening, the rain stopped, and there was a rainbow.", "When they looked out, the sun was back.", "Then the rain stopped, and they jumped in the puddles."), self.pick(f'"This was even better," said {h}.', f'"I hope it rains again tomorrow," said {f}.', f'"What a good day," said {h}.')]
        return [p1, p2, p3, p4], "rain"

    def treasure(self):
        h, f, r = self.hero, self.friend, self.r
        thing = r.choice(TREASURES)
        short = "the " + thing.split(" ", 1)[1]
        owner = self.pick("an old woman", "a sad little boy", "the baker", "the teacher", "an old sailor", "a small girl") if not h.animal else self.pick("an old badger", "a sad little mole", "the beaver", "a small lamb")
        oshort = "the " + owner.split(" ", 1)[1]
        p1 = [f"{self.day()}, {h} was playing near {self.place}."] + self.sky() + [f"{h} saw something {self.pick('shiny in the grass', 'between two stones', 'in the sand', 'under a leaf')}.", f"It was {thing}!"]
        p2 = [self.pick(f'"How pretty!" said {h}.', f'"I am so lucky," said {h}.', f'"I will keep it forever," {h} said.'), f"{h} put it in {h.his} pocket." if not h.animal else f"{h} hid it at home.", f"But then {h.he} saw {owner}, who was looking for something.", self.pick(f'"What are you looking for?" asked {h}.', f'"Did you lose something?" {h} asked.'), f'"I lost {thing}," said {oshort}. "{self.pick("My mother gave it to me.", "It is very dear to me.", "I have had it since I was small.")}"']
        p3 = [self.pick(f"{h} wanted to keep {short}.", f"{h} thought about it for a moment."), self.pick(f"But {h.he} saw how sad {oshort} was.", f"But it did not belong to {h.him}."), self.pick(f'"Is this yours?" asked {h}, and {h.he} held out {short}.', f'"Here it is," said {h}. "I found it."')]
        p4 = [self.pick(f'"Oh, thank you!" said {oshort}. "You are a good {h.kind}."', f"{cap(oshort)} was so glad that {self.pick('tears came', 'there was a big smile on that sad face')}."), f"To say thank you, {oshort} gave {h} {r.choice(FOODS)}.", f"{h} shared it with {f}.", self.feel_glad(h)]
        return [p1, p2, p3, p4], "truth"

    def race(self):
        h, f, r = self.hero, self.friend, self.r
        p1 = [f"{f} was very fast and liked to brag.", self.pick(f'"Nobody is faster than me," {f} said every day.', f'"I always win," said {f}.'), f"{h} was {self.pick('slow', 'small', 'not so fast')}, but {h.he} loved to run."]
        p2 = [f"{self.day()}, there was a race at {self.place}." if not self.place.startswith("the hill") else f"{self.day()}, there was a race around the hill.", self.pick(f'"You will lose," {f} told {h}.', f'{f} laughed at {h}. "You can not win," {f.he} said.'), self.pick(f'"I will do my best," said {h}.', f"{h} did not say anything."), "One, two, three, go!", f"{f} ran ahead like the wind."]
        if r.random() < 0.5:
            p3 = [f"But then {f} {self.pick('fell over a stone', 'slipped in the mud', 'tripped over a root')}.", self.pick(f'"Ouch, my foot!" {f.he} cried.', f"{f} could not get up."), f"{h} could run past and win the race.", f"But {h} stopped and helped {f} up.", self.pick(f'"Why did you stop?" asked {f}.', f'"You could have won," said {f}.'), f'"{self.pick("You needed help", "A friend is more important than a race")}," said {h}.']
            p4 = ["They walked to the end together.", self.pick(f'"I am sorry that I was mean," said {f}.', f'"You are a real winner," said {f}.'), "Everyone cheered for both of them."]
            return [p1, p2, p3, p4], "kind"
        p3 = [f"{f} was so far ahead that {f.he} {self.pick('lay down under a tree', 'stopped to eat some berries', 'stopped to talk to the birds')}.", f'"I have a lot of time," said {f}.', f"But {h} did not stop. {h.He} ran and ran, step by step."]
        p4 = [f"When {f} looked up, {h} was almost there!", f"{f} ran as fast as {f.he} could, but it was too late.", f"{h} won the race!", self.feel_glad(h), self.pick(f'"Well done," said {f}. "I will not brag any more."', f'{f} shook {h.his} hand and said, "You were better today."')]
        return [p1, p2, p3, p4], "try"

    def gift(self):
        h, f, r = self.hero, self.friend, self.r
        g = self.g()
        p1 = [f"It was almost {g}'s birthday." if not g.startswith("the") else f"It was almost {f}'s birthday."]
        to = g if not g.startswith("the") else str(f)
        p1 += [f"{h} wanted to give {to} something nice.", self.pick(f"But {h.he} had no money.", f"But {h.he} only had one small coin.")]
        p2 = [f"{h} went to {self.place} to think.", self.pick(f"There {h.he} met {f}." if to != str(f) else "There were many flowers.", "The flowers were yellow, red and blue.")]
        make = self.pick(("a card", "painted a big sun on it"), ("a crown of flowers", "tied the flowers together"), ("a picture", "used all the colors"), ("a necklace of shells", "put the shells on a string"), ("a song", "practiced it again and again"), ("a little boat", "made a sail out of a leaf"))
        p3 = [self.pick(f'"I can make something!" said {h}.', f'"A gift does not need to cost money," {h} thought.'), f"So {h} made {make[0]}. {h.He} {make[1]}.", self.pick("It took all day.", "It was hard work, but it was fun.", f"{h} worked until it was perfect.")]
        p4 = [f"On the big day, {h} said, \"Happy birthday! This is for you.\"", self.pick(f"{cap(to)} looked at {make[0].replace('a ', 'the ', 1)} for a long time.", f"{cap(to)} was very surprised."), self.pick(f'"This is the best gift of all," said {to}.', f'"Did you make it? It is wonderful," said {to}.'), self.feel_glad(h)]
        return [p1, p2, p3, p4], "help"

    def sick(self):
        h, f, r = self.hero, self.friend, self.r
        bring = r.sample(FOODS, 1)[0]
        p1 = [f"{h} and {f} played together every day.", f"But {self.pick('one day', 'one morning', 'on Monday')}, {f} did not come.", self.pick(f'"Where is {f}?" asked {h}.', f"{h} waited and waited.")]
        p2 = [f"{cap(self.g())} said, \"{f} is sick and must stay in bed.\"", self.feel_sad(h), self.pick(f'"I want to make {f.him} happy," said {h}.', f'"What can I do for {f.him}?" asked {h}.')]
        p3 = [f"{h} took {bring} and {self.pick('a warm blanket', 'a funny picture', 'some flowers', 'a good book')} and went to {f}'s house.", self.pick(f"{f} was in bed and looked very tired.", f"{f}'s nose was red, and {f.he} had a cough."), f'"I brought you something," said {h}.', self.pick(f"{h} told a funny story, and {f} laughed.", f"{h} sang a song for {f.him}.", f"They looked at pictures together."), self.pick(f'"I feel better already," said {f}.', f'"You are a good friend," said {f}.')]
        p4 = [f"After a few days, {f} was well again.", self.pick(f"{f} ran to {h}'s house and called, \"Come out and play!\"", f"They ran to {self.place} and played all day."), self.feel_glad(h)]
        return [p1, p2, p3, p4], "kind"

    def greedy(self):
        h, f, r = self.hero, self.friend, self.r
        food = self.pick("berries", "cookies", "apples", "plums", "cakes", "nuts", "sweets")
        p1 = [f"{h} loved {food}.", f"{self.day()}, {h} saw a {self.pick('big bowl', 'basket', 'bag')} full of {food}.", self.pick(f'"Take only one or two," said {self.g()}.', f'"They are for everybody," said {self.g()}.')]
        p2 = [f"{h} ate one. It was so good!", "Then one more, and one more, and one more.", self.pick("Soon there were none left.", f"{h} did not stop until all the {food} were gone.")]
        p3 = [f"Then {h}'s belly began to hurt.", self.pick(f'"Ow, ow!" cried {h}.', f"{h} lay down and held {h.his} belly."), f"{f} came and wanted some {food}, too, but there was nothing left.", self.pick(f"{f} was sad.", f'"Did you eat them all?" asked {f}.'), f"{h} felt {self.pick('bad', 'very sorry')}."]
        p4 = [f'"I am sorry," said {h}. "I should have shared."', f"{cap(self.g())} gave {h} some {self.pick('warm tea', 'water')} and let {h.him} rest.", f"The next day, {h} {self.pick('picked', 'got')} more {food} and gave them all to {f}.", self.pick(f"{f} smiled and gave half of them back.", f'"Let us eat them together, slowly," said {f}.')]
        return [p1, p2, p3, p4], "share"

    def picture(self):
        """A quiet day with no trouble: description and small talk."""
        h, f, r = self.hero, self.friend, self.r
        see = r.sample(["a red bug on a leaf", "a big cloud that looked like a sheep", "three ducks on the water", "a long green snake", "a tiny snail", "a nest with two blue eggs",
                        "a butterfly with yellow wings", "a squirrel with a nut", "a train far away", "a boat with a white sail", "a horse and a cow", "a rainbow"], 3)
        p1 = [f"{self.day()}, {h} and {f} went for a walk to {self.place}."] + self.sky()
        p2 = [f"First, they saw {see[0]}.", self.pick(f'"How funny!" said {h}.', f'"Look at that," said {f}.', f"{h} pointed and laughed."), f"Then they saw {see[1]}.", self.pick(f'"I have never seen that before," said {f}.', f'"It is so pretty," {h} said.', f"They stood very still to look at it.")]
        p3 = [self.pick("They were hungry, so they sat down under a tree.", "After a while, they sat down to rest."), f"{f} had {r.choice(FOODS)}, and {h} had {r.choice(FOODS)}.", self.pick("They shared their food.", "They gave each other half.")]
        p4 = [f"On the way home, they saw {see[2]}.", self.pick(f'"What a day!" said {h}.', f'"Let us come back tomorrow," said {f}.'), f"{h} told {self.g()} everything {h.he} had seen."]
        return [p1, p2, p3, p4], "friend"

    def lost_tooth(self):
        h, f = self.hero, self.friend
        p1 = [self.pick(f"{h} had a loose tooth.", f"One of {h}'s teeth was loose."), self.pick(f"{h.He} moved it with {h.his} tongue all day.", "It wobbled when " + h.he + " talked."),
              f'"{self.pick("Does it hurt", "Will it come out today")}?" asked {f}.', self.pick(f'"A little," said {h}.', f'"I am not sure," said {h}.')]
        food = self.r.choice(["an apple", "a carrot", "a hard cookie", "a crust of bread", "a pear"])
        p2 = [f"{self.day()}, {h} bit into {food}.", self.pick("Pop! The tooth came out.", "Suddenly the tooth was gone from its place."), f"But where was it? {h} looked on the floor and {self.pick('under the table', 'in the grass', 'in every corner')}.", self.feel_sad(h)]
        p3 = [f"{f} began to laugh.", f'"{self.pick("Look at your food", "Look here")}!" said {f}.', f"The tooth was still in the {food.split(' ', 1)[1]}!", f"{h} laughed, too, and showed the tooth to {self.g()}.",
              self.pick(f'"Put it under your pillow," said {self.g()}.', f'"You are growing up," said {self.g()}.')]
        p4 = [f"{self.pick('In the morning', 'When ' + h.he + ' woke up')}, {h} found {self.r.choice(TREASURES)} under the pillow.", self.feel_glad(h)]
        return [p1, p2, p3, p4], "wait"

    def letter(self):
        h, f = self.hero, self.friend
        far = self.pick("a house by the sea", "a town far away", "the other side of the hills", "a farm in the north")
        p1 = [f"{h}'s best friend {f} had moved to {far}.", self.pick(f"{h} missed {f} very much.", f"It was quiet without {f}."), self.feel_sad(h)]
        p2 = [f'"{self.pick("Why do you not write a letter", "You could write to " + f.name)}?" said {self.g()}.', f"So {h} took {self.pick('a pen', 'a pencil', 'some crayons')} and a sheet of paper.",
              f"{h.He} wrote about {self.place} and drew {self.pick('a big heart', 'the two of them', 'a funny face', 'a yellow sun')}.", f"Then {h} put the letter into the {self.pick('red', 'blue', 'yellow')} mailbox."]
        p3 = [f"{h} waited one day, and two days, and {self.pick('three days', 'a whole week')}.", self.pick("No letter came.", "The mailbox stayed empty."), self.pick(f'"It takes time," said {self.g()}.', f'"Be patient," said {self.g()}.')]
        p4 = [f"Then, {self.pick('one morning', 'on a rainy day', 'at last')}, there was a letter for {h}!", f'"Dear {h}," it said, "I miss you, too. {self.pick("Please come and visit me", "I will visit you in the summer", "You will always be my best friend")}. Your {f}."', self.feel_glad(h),
              self.pick(f"{h} read it again and again.", f"{h} kept the letter in a special box.")]
        return [p1, p2, p3, p4], "friend"

    def storm(self):
        h, f = self.hero, self.friend
        p1 = [f"{self.day()}, {h} and {f} were playing near {self.place}.", self.pick("Dark clouds came over the hill.", "The sky turned gray."), self.pick("The wind began to blow.", "Big drops of rain began to fall.")]
        p2 = [f'"{self.pick("A storm is coming", "We must find a dry place")}!" said {f}.', self.pick("They ran as fast as they could.", "They held on to each other and ran."), f"Then there was a flash and a loud boom. {h} was scared.",
              self.pick(f'"I do not like thunder," said {h}.', f'"It is so loud!" cried {h}.')]
        shelter = self.r.choice(["a little hut", "an old barn", "a dry cave", "a small shed"])
        p3 = [f"They found {shelter} and went inside.", self.pick(f'"Let us sing a song, then we will not hear the thunder," said {f}.', f'"Count with me between the flash and the boom," said {f}.', f'"Tell me a story while we wait," said {f}.'),
              self.pick("It helped a lot.", "Soon they forgot to be afraid."), "After some time, the rain stopped."]
        p4 = [self.pick("A rainbow stood over the fields.", "The sun came out, and everything was shiny."), f'"{self.pick("Look how pretty it is", "That was not so bad")}!" said {h}.', f"They {self.pick('jumped in all the puddles', 'walked home hand in hand' if not h.animal else 'walked home side by side')}.", self.feel_glad(h)]
        return [p1, p2, p3, p4], "brave"

    def market(self):
        h, f, r = self.hero, self.friend, self.r
        goods = r.sample(["apples", "eggs", "carrots", "bread", "honey", "cheese", "flowers", "plums"], 3)
        p1 = [f"{self.day()}, {cap(self.g())} sent {h} to the market.", f'"Please bring {goods[0]}, {goods[1]} and {goods[2]}," {self.pick("said", "called")} {self.g()}.', f"{h} took a basket and {self.pick('went off', 'walked down the road')}."]
        p2 = [f"At the market, {h} met {f}.", self.pick(f"They looked at all the pretty things.", "They listened to a man with a drum.", "They watched a bear that could dance."), f"Soon {h} did not remember what to buy!", self.pick(f'"Was it {goods[0]}? Was it milk?" {h.he} asked.', f'"I only remember {goods[0]}," said {h}.')]
        p3 = [f'"{self.pick("Close your eyes and think", "Think of the kitchen at home")}," said {f}.', f"{h} thought hard.", f'"{cap(goods[0])} ... {goods[1]} ... and {goods[2]}! Now I know!"', f"They bought everything and put it in the basket."]
        p4 = [f"{cap(self.g())} was pleased when {h} came home.", f'"Well done," {self.pick("said", "laughed")} {self.g()}.', f"{h} got {r.choice(FOODS)} and shared it with {f}."]
        return [p1, p2, p3, p4], "listen"

    def stars(self):
        h, f, r = self.hero, self.friend, self.r
        p1 = [f"One night, {h} could not sleep.", self.pick("The moon was too bright.", f"{h.He} turned from one side to the other.", f"{h.He} was not tired at all."), f"{h.He} looked out {'of the window' if not h.animal else 'at the sky'} and saw a thousand stars."]
        p2 = [f'"How many stars are there?" {h} asked {self.g()}.', self.pick(f'"Nobody knows," said {self.g()}. "Count them!"', f'"More than leaves on a tree," said {self.g()}.'), self.pick('"One, two, three, four," ' + f"{h} began.", f"{h} began to count: one, two, three."),]
        p3 = [self.pick(f"At ten, {h} had to yawn.", f"At twenty, {h}'s eyes grew heavy."), f"Then a star fell, with a long white tail.", self.pick(f'"Make a wish," said {self.g()}.', f'"You may wish for something," said {self.g()}.'), f"{h} wished for {self.pick('a sunny day with ' + f.name, 'good dreams', r.choice(TREASURES))}."]
        p4 = [f"Before {h.he} could count one more star, {h} was asleep.", f"In the morning, {self.pick(f.name + ' stood at the door and wanted to play', 'the sun was shining and ' + f.name + ' came to play')}."]
        return [p1, p2, p3, p4], "wait"

    PLOTS = ("lost_toy share rescue skill scare garden broke bake build lost_way new_friend rainy treasure race gift sick "
             "greedy picture lost_tooth letter storm market stars").split()

    def tell(self) -> str:
        plot = self.r.choice(self.PLOTS)
        if self.animal_world and plot in ("broke",):
            plot = "share"
        paragraphs, theme = getattr(self, plot)()
        paragraphs[0] = self.opening() + paragraphs[0]
        if self.r.random() < 0.5:
            paragraphs.append(self.ending(theme))
        else:
            paragraphs[-1] = paragraphs[-1] + self.ending(theme)
        # Some stories are told in fewer, longer paragraphs.
        texts = [cap(" ".join(p)) for p in paragraphs]
        merged, keep = [texts[0]], self.r.choice((1.0, 0.6, 0.3))
        for text in texts[1:]:
            if self.r.random() < keep:
                merged.append(text)
            else:
                merged[-1] += " " + text
        return "\n\n".join(merged)


def stories(seed: int, count: int):
    """`count` stories; the i-th depends only on (seed, i)."""
    for i in range(count):
        yield Teller(random.Random(f"{seed}/{i}")).tell()


ASK = ["Tell me a story about {hero}.", "Write a short story about {hero}.", "Tell a story about {hero} and {friend}.",
       "I want to hear a story about {hero}.", "Write a story. It should be about {hero} and {friend}.", "Tell me about {hero}."]


def tale(r: random.Random):
    """(request or None, story): a request speaks of the people as the story does."""
    teller = Teller(r)
    text = teller.tell()
    if r.random() < 0.5:
        return None, text
    hero, friend = teller.hero, teller.friend
    request = r.choice(ASK).format(hero=f"{a(teller.adj)} {hero.kind} named {hero}", friend=friend.name)
    return (request if hero.name in text and (friend.name in text or friend.name not in request) else None), text


def tales(seed: int, split: str, count: int):
    """Pairs of `tale`, held out by the hash of the story: the two splits share none."""
    for i in range(count):
        r = random.Random(f"tales/{seed}/{split}/{i}")
        while True:
            request, text = tale(r)
            if (hashlib.sha256(text.encode()).digest()[0] < 8) == (split == "held_out"):
                yield request, text
                break


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    for story in stories(options.seed, options.count):
        print(story + "\n<|endoftext|>")
