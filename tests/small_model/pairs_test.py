"""Pairs of verdicts against values worked out by hand, and measure.py with a program that draws what the test wants."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = HERE.parents[1] / "tools" / "train_small"
sys.path.insert(0, str(TOOLS))
import measure
import pairs

FIRST_SEED = 1000


def video(prompt, right, part="text", seed=1):
    """A verdict in which the fields of `right` are as asked."""
    asked = {"colour": "red", "shape": "star", "motion": "up"}
    seen = {field: asked[field] if field in right else "none" for field in asked}
    return {"part": part, "prompt": prompt, "seed": seed, "asked": asked, "seen": seen}


class ExactTest(unittest.TestCase):
    def test_is_the_binomial_tail_on_both_sides(self):
        # (losses, gains): twice the sum of C(n, k) for k up to the smaller one, over 2^n.
        by_hand = {
            (2, 0): 2 * 1 / 4,
            (5, 0): 2 * 1 / 32,
            (6, 0): 0.03125,
            (9, 1): 2 * (1 + 10) / 1024,
            (3, 10): 2 * (1 + 13 + 78 + 286) / 8192,
        }
        for (losses, gains), p in by_hand.items():
            with self.subTest(losses=losses, gains=gains):
                self.assertAlmostEqual(pairs.exact_p(losses, gains), p, 12)
                self.assertAlmostEqual(pairs.exact_p(gains, losses), p, 12)

    def test_an_even_split_is_certain_and_no_more(self):
        for losses, gains in ((0, 0), (1, 1), (2, 1), (7, 7)):
            self.assertEqual(pairs.exact_p(losses, gains), 1)

    def test_a_hundred_and_sixty_losses_are_no_chance(self):
        self.assertAlmostEqual(pairs.exact_p(160, 0) * 2**159, 1, 12)


class Pairs(unittest.TestCase):
    def test_counts_by_who_was_right(self):
        counts = pairs.count([(True, True), (True, False), (True, False), (False, True), (False, False), (True, True)])
        self.assertEqual(counts, pairs.Counts(both=2, losses=2, gains=1, neither=1))
        self.assertEqual(counts.net_losses, 1)

    def test_compares_each_field_of_each_part(self):
        every = pairs.FIELDS
        reference = [video("a", every), video("b", every), video("c", ("colour", "motion")), video("d", every, "image")]
        other = [video("a", every), video("b", ("colour",)), video("c", every), video("d", ("colour", "shape"), "image")]
        compared = pairs.compare(reference, other)
        self.assertEqual(compared["text", "all"], pairs.Counts(1, 1, 1, 0))
        self.assertEqual(compared["text", "colour"], pairs.Counts(3, 0, 0, 0))
        self.assertEqual(compared["text", "motion"], pairs.Counts(2, 1, 0, 0))
        self.assertEqual(compared["image", "motion"], pairs.Counts(0, 1, 0, 0))
        self.assertEqual(compared["all", "shape"], pairs.Counts(2, 1, 1, 0))
        self.assertEqual(compared["all", "all"], pairs.Counts(1, 2, 1, 0))
        self.assertIn("| all | all three | 1 | 2 | 1 | 0 | 1 | 1 |", pairs.table(compared))
        self.assertEqual(pairs.too_many_losses(compared, 1), "")
        self.assertIn("1 net losses, expected at most 0", pairs.too_many_losses(compared, 0))

    def test_other_prompts_or_seeds_are_no_pairs(self):
        for other in ([video("a", ())], [video("a", ()), video("c", ())], [video("a", ()), video("b", (), seed=2)]):
            with self.assertRaises(ValueError):
                pairs.compare([video("a", ()), video("b", ())], other)


# Draws the scene of a held-out prompt; in another colour where the seed is one of --wrong.
PROGRAM = """import json, pathlib, struct, sys
sys.path[:0] = [{here!r}, {tools!r}]
import numpy as np
import checker_test, grammar
words = sys.argv[2:]
value = dict(zip(words, words[1:]))
with open({log!r}, "a") as file:
    file.write(json.dumps(words) + "\\n")
scene = {{caption: scene for scene, caption in grammar.held_out_prompts(10)}}[value["--prompt"]]
colour = scene.colour
if value["--seed"] in value.get("--wrong", "").split(","):
    colour = "red" if colour == "blue" else "blue"
shown = checker_test.clip(colour, scene.shape, scene.motion).transpose(3, 0, 1, 2)
data = (shown / np.float32(127.5) - 1).astype(np.float32)
header = json.dumps({{"vae.decode.video": {{"dtype": "F32", "shape": data.shape, "data_offsets": [0, data.nbytes]}}}}).encode()
pathlib.Path(value["--dump"]).write_bytes(struct.pack("<Q", len(header)) + header + data.tobytes())
"""


class Measure(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="wan_pairs_")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.log, program = self.folder / "log", self.folder / "program.py"
        program.write_text(PROGRAM.format(here=str(HERE), tools=str(TOOLS), log=str(self.log)), encoding="utf-8")
        self.start = self.folder / "program"  # the first line of a script may be too short for the interpreter's path
        self.start.write_text(f'#!/bin/sh\nexec "{sys.executable}" -B "{program}" "$@"\n', encoding="utf-8")
        os.chmod(self.start, 0o755)

    def run_tool(self, tool, *arguments):
        return subprocess.run(
            [sys.executable, "-B", str(TOOLS / tool), *map(str, arguments)], capture_output=True, text=True, check=False
        )

    def measure(self, *arguments, prompts=1):
        return self.run_tool(
            "measure.py", "--wanbench", self.start, "--checkpoint", "none", "--prompts", prompts, "--jobs", 2, *arguments
        )

    def commands(self):
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def test_two_settings_are_paired_by_prompt_and_seed(self):
        out = self.folder / "both.json"
        ended = self.measure("--json", out, "--most-losses", 0, "--", "--wrong", "1001", "--", "--wrong", "1002,1003", prompts=4)
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertIn("1 net losses, expected at most 0", ended.stderr)
        self.assertIn("| all | all three | 1 | 2 | 1 | 0 | 1 | 1 |", ended.stdout)
        document = json.loads(out.read_text(encoding="utf-8"))
        self.assertEqual([document[name]["text"]["all"] for name in "ab"], [0.75, 0.5])
        self.assertEqual(document["b"]["options"], ["--wrong", "1002,1003"])
        self.assertEqual([each["seed"] for each in document["a"]["videos"]], [FIRST_SEED + i for i in range(4)])
        self.assertEqual(sorted(words[words.index("--seed") + 1] for words in self.commands()), sorted(2 * ["1000", "1001", "1002", "1003"]))

    def test_files_of_two_calls_are_paired(self):
        a, b, both = (self.folder / name for name in ("a.json", "b.json", "both.json"))
        self.assertEqual(self.measure("--json", a).returncode, 0)
        self.assertEqual(self.measure("--json", b, "--", "--wrong", "1000").returncode, 0)
        self.assertEqual(self.run_tool("pairs.py", a, b, "--most-losses", 1).returncode, 0)
        ended = self.run_tool("pairs.py", a, b, "--most-losses", 0)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("| all | all three | 0 | 1 | 0 | 0 | 1 | 1 |", ended.stdout)
        both.write_text("{}", encoding="utf-8")
        ended = self.run_tool("pairs.py", a, both)
        self.assertEqual(ended.returncode, 2)
        self.assertIn("expected a file of measure.py --json of one setting", ended.stderr)

    def test_an_option_after_the_dashes_replaces_the_usual_one(self):
        self.assertEqual(self.measure("--steps", 20, "--", "--steps", "4", "--checkpoint=other", "--precision", "bf16").returncode, 0)
        words = self.commands()[0]
        self.assertEqual(words.count("--steps"), 1)
        self.assertEqual(words[words.index("--steps") + 1], "4")
        self.assertIn("--checkpoint=other", words)
        self.assertNotIn("--checkpoint", words)
        self.assertIn("--shift", words)

    def test_what_every_video_has_its_own_of_is_no_setting(self):
        ended = self.measure("--", "--seed=3")
        self.assertEqual(ended.returncode, 2)
        self.assertIn("--seed after --: every video here has its own", ended.stderr)
        self.assertFalse(self.log.exists())
        self.assertEqual(self.measure("--", "--", "--").returncode, 2)

    def test_listed_videos_of_one_seed_do_not_share_a_file(self):
        tasks = [{"prompt": text, "seed": 1, **measure._fields(scene)} for scene, text in measure.grammar.held_out_prompts(3)]
        listed = self.folder / "listed.json"
        listed.write_text(json.dumps(tasks), encoding="utf-8")
        ended = self.measure("--list", listed, "--jobs", 3, "--require", "1,1,1")
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
        dumps = [words[words.index("--dump") + 1] for words in self.commands()]
        self.assertEqual(len(set(dumps)), 3)


if __name__ == "__main__":
    unittest.main()
