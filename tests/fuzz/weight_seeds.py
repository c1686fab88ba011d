"""Seeds of the readers of weights: whole models of a few values in every container, naming and scheme. Standard library only."""
import json
import struct

FLOAT = {"F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "U8": 1, "I8": 1}
# ggml's number, values and bytes of a block.
BLOCKS = {2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176),
          14: (256, 210), 20: (32, 18), 23: (256, 136), 0: (1, 4), 1: (1, 2), 30: (1, 2)}


def count(shape):
    product = 1
    for extent in shape:
        product *= extent
    return product


def safetensors(tensors, metadata=None):
    """{name: (dtype, shape, bytes or None for bytes of 0x01)}"""
    header, body = {"__metadata__": metadata or {"format": "pt"}}, b""
    for name, (dtype, shape, data) in tensors.items():
        data = b"\x01" * (count(shape) * FLOAT[dtype]) if data is None else data
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + body


def gguf_text(text):
    return struct.pack("<Q", len(text)) + text.encode()


def gguf(tensors, keys=(), version=3):
    """{name: (ggml's number, shape)}; data are bytes of 0x01"""
    infos, data = b"", b""
    for name, (number, shape) in tensors.items():
        values, size = BLOCKS[number]
        data += b"\0" * (-len(data) % 32)
        infos += gguf_text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", e) for e in reversed(shape))
        infos += struct.pack("<IQ", number, len(data))
        data += b"\x01" * (count(shape) // values * size)
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys)) + b"".join(keys) + infos
    return head + b"\0" * (-len(head) % 32) + data


def dit(dim=32, ffn=32, channels=1, text=32):
    """Official names and shapes of a DiT of one block."""
    shapes = {"patch_embedding.weight": [dim, channels, 1, 2, 2], "patch_embedding.bias": [dim], "head.modulation": [1, 2, dim]}
    shapes["blocks.0.modulation"] = [1, 6, dim]

    def linear(name, rows, columns):
        shapes[name + ".weight"], shapes[name + ".bias"] = [rows, columns], [rows]

    for name, rows, columns in (("text_embedding.0", dim, text), ("text_embedding.2", dim, dim), ("time_embedding.0", dim, 4), ("time_embedding.2", dim, dim),
                                ("time_projection.1", 6 * dim, dim), ("head.head", 4 * channels, dim), ("blocks.0.ffn.0", ffn, dim), ("blocks.0.ffn.2", dim, ffn)):
        linear(name, rows, columns)
    for attention in ("self_attn", "cross_attn"):
        for each in "qkvo":
            linear(f"blocks.0.{attention}.{each}", dim, dim)
        for each in ("norm_q", "norm_k"):
            shapes[f"blocks.0.{attention}.{each}.weight"] = [dim]
    shapes["blocks.0.norm3.weight"] = shapes["blocks.0.norm3.bias"] = [dim]
    return shapes


def text_encoder(dim=32, heads=2, words=3):
    """transformers' names and shapes of an encoder of one block."""
    block = "encoder.block.0.layer."
    shapes = {"shared.weight": [words, dim], "encoder.final_layer_norm.weight": [dim], block + "0.layer_norm.weight": [dim], block + "1.layer_norm.weight": [dim]}
    shapes.update({f"{block}0.SelfAttention.{each}.weight": [dim, dim] for each in "qkvo"})
    shapes[block + "0.SelfAttention.relative_attention_bias.weight"] = [4, heads]
    shapes.update({f"{block}1.DenseReluDense.{each}.weight": [dim, dim] for each in ("wi_0", "wi_1", "wo")})
    return shapes


def is_matrix(name, shape):
    return name.startswith("blocks.") and len(shape) == 2


def schemes():
    """Name of a seed, tensors, metadata."""
    plain = {name: ("BF16", shape, None) for name, shape in dit(dim=4, ffn=4, text=4).items()}
    yield "plain", plain, None
    yield "prefix", {"model.diffusion_model." + name: each for name, each in plain.items()}, None
    one = struct.pack("<f", 0.5)
    for kind, dtype, scale, shape in (("scaled", "F8_E4M3", "scale_weight", []), ("rows", "I8", "weight_scale", [4, 1])):
        tensors = {"scaled_fp8": ("F8_E4M3", [0], b"")}
        for name, each in plain.items():
            tensors[name] = (dtype, each[1], None) if is_matrix(name, each[1]) else each
            if is_matrix(name, each[1]):
                tensors[f"{name[:-7]}.{scale}"] = ("F32", shape, one * count(shape))
        yield kind, tensors, None
    tensors = {name: ("BF16", shape, None) for name, shape in dit().items()}
    for layer, form, dtype, columns, scales in (("blocks.0.self_attn.q", "mxfp8", "F8_E4M3", 32, "F8_E8M0"), ("blocks.0.self_attn.k", "nvfp4", "U8", 16, "F8_E4M3")):
        tensors[layer + ".weight"] = (dtype, [32, columns], None)
        tensors[layer + ".weight_scale"] = (scales, [128, 4], None)
        tensors[layer + ".weight_scale_2"] = ("F32", [], one)
        tensors[layer + ".comfy_quant"] = ("U8", [len(text := json.dumps({"format": form}).encode())], text)
    tensors.pop("blocks.0.self_attn.q.weight_scale_2")
    yield "comfy", tensors, None
    header = {name: each for name, each in tensors.items() if not name.endswith("comfy_quant")}
    layers = {"blocks.0.self_attn.q": {"format": "mxfp8"}, "blocks.0.self_attn.k": {"format": "nvfp4"}}
    yield "header", header, {"_quantization_metadata": json.dumps({"format_version": "1.0", "layers": layers})}
    encoder = {name: ("F16", shape, None) for name, shape in text_encoder(dim=4).items()}
    yield "text_encoder", {**encoder, "spiece_model": ("U8", [3], b"abc")}, None


def pair(down, up, dtype="F32", rank=2):
    """Factors of a matrix [4, 4]; bytes of 0x01 are small numbers in every float type."""
    return {down: (dtype, [rank, 4], None), up: (dtype, [4, rank], None)}


def loras():
    """Name of a seed, tensors, metadata: every spelling once, for small_dit of weight_files.cpp."""
    half, one = struct.pack("<e", 0.5), struct.pack("<f", 1)
    module = "base_model.model.blocks.0.self_attn.q.lora_"
    said = {"r": 2, "lora_alpha": 4, "use_rslora": True, "alpha_pattern": {"q": 1}, "rank_pattern": {"ffn.0": 3}}
    yield "peft", pair(module + "A.default.weight", module + "B.default.weight", "BF16"), {"lora_adapter_metadata": json.dumps(said)}
    flat = "lora_unet_blocks_0_ffn_0."
    yield "kohya", {**pair(flat + "lora_down.weight", flat + "lora_up.weight", "F16"), flat + "alpha": ("F16", [], half)}, {"ss_network_alpha": "1"}
    tensors = pair("lora_unet__time_projection_1.lora_down.weight", "lora_unet__time_projection_1.lora_up.weight", "F8_E4M3")
    tensors["lora_unet__time_projection_1.alpha"] = ("F32", [1], one)
    yield "fun", tensors, None
    layer = "diffusion_model.blocks.0."
    tensors = {layer + "diff_m": ("BF16", [6, 4], None), layer + "norm3.diff": ("F32", [4], None), layer + "norm3.diff_b": ("F32", [4], None)}
    tensors.update({"diffusion_model.head.diff_m": ("F16", [1, 2, 4], None), "diffusion_model.patch_embedding.diff": ("F32", [4, 1, 1, 2, 2], None)})
    tensors.update(pair(layer + "cross_attn.k_img.lora_down.weight", layer + "cross_attn.k_img.lora_up.weight"))
    tensors["diffusion_model.img_emb.proj.0.diff"] = tensors["lora_te_other.alpha"] = ("F32", [4], None)
    yield "lightx2v", tensors, None
    tensors = {}
    for component, to in (("transformer", "to_q"), ("transformer_2", "to_k")):
        layer = f"{component}.blocks.0.{'attn1' if to == 'to_q' else 'attn2'}.{to}.lora_"
        tensors.update(pair(layer + "A.weight", layer + "B.weight"))
        tensors[layer + "B.bias"] = ("F32", [4], None)
    said = {"transformer.r": 2, "transformer.lora_alpha": 1, "transformer_2.lora_alpha": 3}
    yield "diffusers", tensors, {"lora_adapter_metadata": json.dumps(said)}
    yield "dora", {**pair("blocks.0.ffn.0.lora_A.weight", "blocks.0.ffn.0.lora_B.weight"), "blocks.0.ffn.0.dora_scale": ("F32", [4, 1], None)}, None


def write_seeds(out):
    for name, tensors, metadata in loras():
        (out / "lora" / f"{name}.safetensors").write_bytes(safetensors(tensors, metadata))
    for name, tensors, metadata in schemes():
        (out / "weights" / f"{name}.safetensors").write_bytes(safetensors(tensors, metadata))
    architecture = gguf_text("general.architecture") + struct.pack("<I", 8) + gguf_text("wan")
    model = {name: (8 if is_matrix(name, shape) else 0, shape) for name, shape in dit().items()}
    (out / "weights" / "q8_0.gguf").write_bytes(gguf(model, [architecture]))
    numbers = gguf_text("scores") + struct.pack("<IIQff", 9, 6, 2, 0.5, -1)
    words = gguf_text("tokens") + struct.pack("<IIQ", 9, 8, 2) + gguf_text("a") + gguf_text("bc")
    shape = gguf_text("comfy.gguf.orig_shape.t12") + struct.pack("<IIQii", 9, 5, 2, 2, 128)
    types = {f"t{number}": (number, [1, values]) for number, (values, _) in BLOCKS.items()}
    (out / "gguf" / "types.gguf").write_bytes(gguf(types, [architecture, numbers, words, shape], 2))
    (out / "gguf" / "one.gguf").write_bytes(gguf({"t": (12, [256])}))
