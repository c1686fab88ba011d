#!/usr/bin/env python3
"""Writes suites/community.json: what people run, every size, length of sampling, format of weights and card in turn.

Usage: make_community_suite.py > suites/community.json. The list is flat, as all suites are, so that each case has its
name; its sources are in its notes.
"""
import json

MODELS = {"T2V": "t2v-A14B", "I2V": "i2v-A14B"}
# Name, width, height, and the image of these proportions: an image decides those, and the size only the area.
SIZES = [("480p", 832, 480, "sailing-boat-832x480.jpg"), ("640", 640, 640, "sailing-boat-640x640.jpg"),
         ("720p", 1280, 720, "sailing-boat.jpg")]
FORMATS = ["bf16", "fp8_scaled", "q8_0", "q5_k_m", "q4_k_m"]
LIMITS = [None, "24GiB", "16GiB", "12GiB"]
TEMPLATE_SHIFT = {"T2V": 8, "I2V": 5}  # of ComfyUI's templates for 20 steps

NOTES = (
    "What people run with Wan2.2: sizes, 4 and 20 steps, forms of the weights and cards. Sources: ComfyUI's templates "
    "for Wan2.2 14B and 5B (docs.comfy.org/tutorials/video/wan/wan2_2; Comfy-Org/Wan_2.2_ComfyUI_Repackaged for "
    "fp8_scaled): 20 steps, split at step 10, guidance 3.5, euler, shift 8 for T2V and 5 for I2V, or 4 steps without "
    "guidance, and TI2V-5B on 8 GB; QuantStack/Wan2.2-T2V-A14B-GGUF and -I2V-A14B-GGUF on Hugging Face for Q4_K_M, "
    "Q5_K_M and Q8_0; lightx2v/Wan2.2-Lightning for the 4 steps; FastVideo/FastWan2.2-TI2V-5B-FullAttn-Diffusers for "
    "the 3. Limits stand for cards of 24, 16 and 12 GB. Seeded random weights at the published sizes, stored in each "
    "form: speed does not depend on their values. Written by tools/make_community_suite.py. What does not fit a limit is "
    "refused before work; with --allow-too-large it is kept as a result.")


def sampling(kind, steps):
    if steps == 4:
        return {"recipe": "lightning-4"}
    return {"recipe": "20-step-split", "solver": "euler", "shift": TEMPLATE_SHIFT[kind], "guidance_scale": 3.5}


def case(kind, size, steps, form, limit):
    name, width, height, image = size
    made = {"name": f"{kind}_A14B_{name}_{steps}_Steps_{form}" + (f"_{limit}" if limit else ""), "model": MODELS[kind]}
    made |= sampling(kind, steps) | {"width": width, "height": height}
    if kind == "I2V":
        # The side is the area's root rounded down, as in the official code: of exactly 832x480 that makes 832x464.
        made |= {"height": 481 if height == 480 else height, "image": image}
    made["stored_as"] = form
    if limit:
        made["gpu_memory_limit"] = limit
    return made


def main():
    cases = [case(kind, size, steps, form, limit) for kind in MODELS for size in SIZES for steps in (4, 20)
             for form in FORMATS for limit in LIMITS]
    cases.append({"name": "TI2V_5B_704p_3_Steps_bf16_8GiB", "model": "ti2v-5B", "recipe": "fastwan-3", "width": 1280,
                  "height": 704, "num_frames": 121, "stored_as": "bf16", "gpu_memory_limit": "8GiB"})
    head = {"schema": "wanbench.suite", "format": 1, "name": "community", "version": "1", "notes": NOTES,
            "defaults": {"random_weights": True, "num_frames": 81, "seed": 42, "prompt":
                         "A small sailing boat heads for the harbour in the evening sun, waves glitter, the camera "
                         "follows it slowly."}}
    text = json.dumps(head, indent=2)
    rows = ",\n".join("    " + json.dumps(made) for made in cases)
    print(f'{text[:-2]},\n  "cases": [\n{rows}\n  ]\n}}')


if __name__ == "__main__":
    main()
