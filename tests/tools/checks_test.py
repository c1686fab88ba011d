#!/usr/bin/env python3
"""Feeds each checker of tools/ a small tree that is right and one that is wrong, so that none passes because it looks at nothing."""
import argparse
import json
import pathlib
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))
sys.dont_write_bytecode = True
import check_family  # noqa: E402
import check_formats  # noqa: E402
import check_layers  # noqa: E402


class Checker(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="wan_checks_")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def found(self, check):
        """The problems, each from the file's path on."""
        return [str(problem).removeprefix(f"{self.root}").lstrip("/") for problem in check.problems(self.root)]


class Layers(Checker):
    def test_what_a_folder_may_use_passes(self):
        self.write("tensor/tensor.h", '#include "base/error.h"\n')
        self.write("base/error.h", "#include <string>\n")
        self.write("model/dit.h", '#include "tensor/tensor.h"\n')
        self.assertEqual(self.found(check_layers), [])

    def test_a_forbidden_header_is_named_with_its_line(self):
        self.write("model/dit.h", "")
        self.write("results/record.h", '#pragma once\n#include "model/dit.h"\n')
        self.assertEqual(self.found(check_layers), ["results/record.h:2: results may not include model/dit.h"])

    def test_a_forbidden_header_that_comes_through_others_is_named_with_its_way(self):
        self.write("tensor/tensor.h", "")
        self.write("pipeline/plan.h", '#include "pipeline/deeper.h"\n')
        self.write("pipeline/deeper.h", '#include "tensor/tensor.h"\n')
        self.write("suite/runner.cpp", '#include "pipeline/plan.h"\n')
        found = [problem for problem in self.found(check_layers) if problem.startswith("suite/")]
        self.assertEqual(found, ["suite/runner.cpp: suite may not use tensor/tensor.h, which comes with pipeline/plan.h > pipeline/deeper.h"])

    def test_only_the_first_fault_of_a_way_is_told(self):
        self.write("tensor/tensor.h", "")
        self.write("model/dit.h", '#include "tensor/tensor.h"\n')
        self.write("results/record.cpp", '#include "model/dit.h"\n')
        self.assertEqual(self.found(check_layers), ["results/record.cpp:1: results may not include model/dit.h"])

    def test_an_exception_lets_one_header_pass_and_is_told_when_it_is_not_needed(self):
        needed = sorted(check_layers.EXCEPTIONS["suite"])
        for header in needed:
            self.write(header, "")
        self.write("suite/a.cpp", "".join(f'#include "{header}"\n' for header in needed))
        self.assertEqual(self.found(check_layers), [])
        self.write("suite/a.cpp", "".join(f'#include "{header}"\n' for header in needed[1:]))
        self.assertEqual([problem for problem in self.found(check_layers) if needed[0] in problem and "not needed" in problem],
                         [f": the exception of suite for {needed[0]} is not needed: take it out of the table"])

    def test_a_folder_that_is_not_in_the_table_is_named(self):
        self.write("stats/mean.h", "")
        self.assertEqual(self.found(check_layers), ["stats/mean.h: folder stats is not in the table"])


class Family(Checker):
    def expect(self, line, *parts, path="pipeline/a.cpp"):
        self.write(path, f"int before;\n{line}\n")
        found = self.found(check_family)
        self.assertEqual(len(found), 1 if parts else 0, (line, found))
        for part in parts:
            self.assertIn(part, found[0], line)
        (self.root / path).unlink()

    def test_names_of_models_are_found_with_their_line(self):
        self.expect('if (task == "ti2v") f();', "pipeline/a.cpp:2:", "'ti2v'")
        self.expect('if (name == "t2v-A14B") f();', "'t2v'")
        self.expect("constexpr int kI2vFrames = 1;", "'I2v'")
        self.expect("bool is_5B = true;", "'5B'")
        self.expect('open("high_noise_model/x");', "high_noise_model")
        self.expect('out = "dit.low_noise";', "low_noise")
        self.expect('open(folder / "Wan2.1_VAE.pth");', "Wan2.1_VAE")
        self.expect("if (dim == 3072) f();", "'3072'")

    def test_strides_and_patches_by_hand_are_found(self):
        self.expect("rows = latent_height / 2;", "'latent_height / 2'")
        self.expect("latent = (num_frames - 1) / 4 + 1;", "'num_frames - 1) / 4'")
        self.expect("w = size.width / 16;", "'width / 16'")
        self.expect("y = x.shape[1] * 2;", "'shape[1] * 2'")
        self.expect("height *= 8;", "'height *= 8'")
        self.expect("out = 4 * frames;", "'4 * frames'")

    def test_what_only_looks_alike_passes(self):
        self.expect("// ti2v in a comment, width / 16 too")
        self.expect("/* t2v\n   A14B */")
        self.expect('text = "width / 16";')
        self.expect('url = "https://example.org/x";  // 5B')
        self.expect("total = 2.0 * width;")
        self.expect('mode = "text2video";')
        self.expect("byte = 0x5B;")
        self.expect("half = bytes / 2;")
        self.expect("rows = grid.rows * patch.rows;")

    def test_a_comment_does_not_hide_the_code_beside_it(self):
        self.expect('if (task == "t2v") f();  // the model\'s task', "'t2v'")
        self.expect('url = "https://x"; task = "i2v";', "'i2v'")

    def test_the_table_and_the_allow_list_may(self):
        self.expect('name = "ti2v-5B";', path="model/variant.cpp")
        for path in check_family.MAY_NAME:
            self.expect('name = "WanT2V ti2v-5B"', path=path + "a.cpp" if path.endswith("/") else path)
        for path in check_family.MAY_CALCULATE:
            self.expect("width = width / 2;", path=path + "a.cpp" if path.endswith("/") else path)
        self.expect('name = "ti2v-5B";', "'ti2v'", path="io/a.cpp")
        self.expect("width = width / 2;", "'width / 2'", path="model/variants.cpp")


class Formats(Checker):
    """A program that writes its arguments down, and whose `diff` says what the test wants."""

    GOOD = "dit.call0.out 1e-6 1e-6\nvae.decode.latent 9e-4 1e-3\nonly in dump: sigmas\n2 tensors within 0.001\n"
    INFO = {"size_wh": [64, 48], "frames": 13, "steps": 6, "shift": 12.0, "guide": [3.0, 4.0], "boundary": 0.875, "solver": "unipc",
            "prompt": "p", "negative_prompt": "n", "seed": 42}

    def outcome(self, diff, diff_code=0, generate_code=0, precision="fp32", official="", **parts):
        self.write("minis/mini-t2v-moe/golden_info.json", json.dumps(self.INFO))
        self.write("wanbench", f"""#!/bin/sh
printf '%s\\n' "$@" > {self.root}/$1.txt
case "$*" in *--prefix-a*) cat {self.root}/official; exit 0;; esac
case $1 in generate) echo broken >&2; exit {generate_code};; diff) cat {self.root}/said; exit {diff_code};; esac
""")
        (self.root / "wanbench").chmod(0o755)
        self.write("said", diff)
        self.write("official", official)
        case = {"name": "c", "model": "moe", "dit": ["h", "l"], "text_encoder": "t", "vae": "v", "expect": "expected/c.safetensors", **parts}
        args = argparse.Namespace(build=self.root, minis=self.root / "minis", files=self.root / "files", fixtures=self.root / "fixtures",
                                  device="cpu", precision=precision)
        return check_formats.run_case(case, args, self.root / "dump")

    def told(self, command, flag):
        """What followed the flag."""
        words = (self.root / f"{command}.txt").read_text().splitlines()
        return [after for word, after in zip(words, words[1:]) if word == flag]

    def test_a_case_that_holds_passes_with_its_errors(self):
        outcome = self.outcome(self.GOOD)
        self.assertEqual((outcome.fault, outcome.worst("dit."), outcome.worst("text.")), ("", 1e-6, None))
        self.assertEqual(check_formats.columns(outcome), ["c", "1.0e-06", "", "9.0e-04", "2", "ok"])

    def test_the_program_is_told_what_the_golden_run_was(self):
        self.outcome(self.GOOD, lora=[{"file": "a", "strength": 0.7, "expert": "low"}, {"file": "b", "strength": -0.25}])
        files = f"{self.root}/files"
        for flag, value in (("--guidance-scale", "4.0"), ("--guidance-scale-2", "3.0"), ("--boundary", "0.875"), ("--size", "64x48"),
                            ("--dit-high", f"{files}/h"), ("--dit-low", f"{files}/l"), ("--lora-low", f"{files}/a=0.7"), ("--lora", f"{files}/b=-0.25")):
            self.assertEqual(self.told("generate", flag), [value], flag)
        self.outcome(self.GOOD, dit="all", text_encoder="all", vae="all", expect="golden of mini-t2v-moe")
        self.assertEqual(self.told("generate", "--checkpoint"), [f"{files}/all"])
        self.assertIn(f"{self.root}/minis/mini-t2v-moe/golden.safetensors", (self.root / "diff.txt").read_text())

    def test_each_kind_of_tensor_has_its_limit(self):
        self.assertIn("dit.call0.out is off by 0.0002, allowed 0.0001", self.outcome(self.GOOD.replace("1e-6", "2e-4", 1)).fault)
        self.assertIn("vae.decode.latent is off by 0.002", self.outcome(self.GOOD.replace("9e-4", "2e-3"), 4).fault)
        self.assertIn("dit.call0.out is off by nan", self.outcome(self.GOOD.replace("1e-6", "nan", 1), 4).fault)

    def test_in_bf16_the_limit_is_that_of_the_official_run_and_a_half(self):
        official = "dit.call0.out 2e-3 1e-2\nvae.decode.latent 4e-3 1e-2\n"
        good = "dit.call0.out 2.9e-3 1e-2\ndit.call0.blocks.0.cross_attn 9e-3 1\nvae.decode.latent 5.9e-3 1e-2\n"
        self.assertEqual(self.outcome(good, precision="bf16", official=official).fault, "")
        self.assertEqual(self.told("generate", "--precision"), ["bf16"])
        bad = self.outcome(good.replace("5.9e-3", "6.1e-3"), precision="bf16", official=official).fault
        self.assertEqual(bad, "vae.decode.latent is off by 0.0061, allowed 0.006")
        self.assertIn("dit.call0.out is off by", self.outcome(good, precision="bf16", official=official.replace("2e-3", "1e-3", 1)).fault)
        self.assertIn("dit.call0.out has no limit", self.outcome(good, precision="bf16", official="").fault)

    def test_what_was_not_compared_does_not_pass(self):
        self.assertIn("vae.decode.latent was not compared", self.outcome(self.GOOD.replace("vae.decode.latent", "vae.decode.video")).fault)
        self.assertIn("diff ended with 4: nothing in common", self.outcome("nothing in common", 4).fault)
        self.assertIn("generate ended with 2: broken", self.outcome(self.GOOD, generate_code=2).fault)


if __name__ == "__main__":
    unittest.main()
