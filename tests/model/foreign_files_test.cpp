// Files of other programs and half downloads, each named for what it is; a whole checkpoint is left alone.
#include "model/foreign_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <span>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "io/file_outline.h"
#include "model/checkpoint.h"
#include "model/weight_names.h"
#include "temporary_folder.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const fs::path kFixtures = WAN_FIXTURES;

std::string little(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

/// A file of 4-byte tensors of these names and shapes, whole.
std::string safetensors(const std::vector<std::pair<std::string, std::string>>& tensors) {
  std::string header, data;
  for (const auto& [name, shape] : tensors) {
    header += (header.empty() ? "{" : ",") + ("\"" + name + R"(":{"dtype":"F8_E5M2","shape":)" + shape);
    header += ",\"data_offsets\":[" + std::to_string(data.size()) + "," + std::to_string(data.size() + 4) + "]}";
    data += "1234";
  }
  header += header.empty() ? "{}" : "}";
  return little(header.size(), 8) + header + data;
}

std::string text_of_gguf(const std::string& text) { return little(text.size(), 8) + text; }

/// One tensor of 64 numbers in Q8_0, behind values of each kind.
std::string gguf(const std::string& tensor, uint32_t version = 3) {
  std::string file = "GGUF" + little(version, 4) + little(1, 8) + little(4, 8);
  file += text_of_gguf("general.architecture") + little(8, 4) + text_of_gguf("wan");
  file += text_of_gguf("general.file_type") + little(4, 4) + little(7, 4);
  file += text_of_gguf("tokenizer.ggml.tokens") + little(9, 4) + little(8, 4) + little(2, 8) + text_of_gguf("a") +
          text_of_gguf("bc");
  file += text_of_gguf("comfy.gguf.orig_shape.x") + little(9, 4) + little(5, 4) + little(2, 8) + little(8, 4) +
          little(8, 4);
  file += text_of_gguf(tensor) + little(2, 4) + little(32, 8) + little(2, 8) + little(8, 4) + little(0, 8);
  file.resize((file.size() + 31) / 32 * 32);
  return file + std::string(68, 'x');
}

class Foreign : public testing::Test {
 protected:
  void write(const fs::path& name, const std::string& bytes) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
  }
  std::optional<ForeignFiles> look(const std::string& name) const { return find_foreign_files(folder_ / name); }
  /// Its four lines, and that opening it says the same.
  std::string message(const std::string& name, ForeignKind kind) const {
    const auto found = look(name);
    if (!found) return "nothing found";
    EXPECT_EQ(found->kind, kind) << found->message();
    for (const std::string* part : {&found->what, &found->evidence, &found->reason, &found->advice})
      EXPECT_FALSE(part->empty()) << found->message();
    try {
      open_checkpoint(folder_ / name);
      ADD_FAILURE() << name << " was opened";
    } catch (const Error& problem) {
      EXPECT_EQ(problem.kind(), ErrorKind::kInput);
      EXPECT_EQ(problem.what(), found->message());
    }
    EXPECT_THAT(found->message(), AllOf(HasSubstr(name), HasSubstr("\nfound: "), HasSubstr("\nnot read: "),
                                        HasSubstr("\nto do: "), Not(HasSubstr("\x1b"))));
    return found->message();
  }
  void copy(const std::string& fixture, const std::string& name) const {
    fs::copy(kFixtures / fixture, folder_ / name, fs::copy_options::recursive);
  }

  const test::TemporaryFolder folder_;
};

TEST_F(Foreign, WholeCheckpointsAreLeftAlone) {
  for (const char* fixture : {"mini-ti2v-t2v", "mini-ti2v-i2v", "mini-t2v-moe"})
    EXPECT_FALSE(find_foreign_files(kFixtures / fixture)) << fixture;
  EXPECT_FALSE(find_foreign_files(WAN_SOURCE_DIR "/models/shapes-ti2v"));
  copy("mini-ti2v-i2v", "left");
  write("left/.cache/huggingface/download/x.incomplete", "1");
  EXPECT_FALSE(look("left")) << "what an old download left does not matter where all is there";
  EXPECT_FALSE(look("missing"));
  fs::create_directories(folder_ / "empty");
  EXPECT_FALSE(look("empty"));
}

TEST_F(Foreign, SingleFilesOfThisFamilyAreLeftAlone) {
  write("dit.safetensors", safetensors({{"model.diffusion_model.blocks.0.self_attn.q.weight", "[2,2]"},
                                        {"model.diffusion_model.patch_embedding.weight", "[3072,48,1,2,2]"}}));
  write("text.safetensors", safetensors({{"encoder.block.0.layer.0.SelfAttention.q.weight", "[2,2]"}}));
  write("vae.safetensors", safetensors({{"decoder.middle.0.residual.0.gamma", "[4]"}}));
  write("q8.gguf", gguf("blocks.0.self_attn.q.weight"));
  for (const char* name : {"dit.safetensors", "text.safetensors", "vae.safetensors", "q8.gguf"})
    EXPECT_FALSE(look(name)) << name;
  write("other.safetensors", safetensors({{"a\\u001b[2J", "[4]"}}));
  EXPECT_THAT(message("other.safetensors", ForeignKind::kOtherFile), HasSubstr("weights of no Wan model"));
}

TEST_F(Foreign, Gguf) {
  write("x.gguf", gguf("x"));
  EXPECT_THAT(message("x.gguf", ForeignKind::kOtherFile),
              AllOf(HasSubstr("a single GGUF file"), HasSubstr("architecture is 'wan'"), HasSubstr("Q8_0 100 %")));
  const std::string bytes = gguf("x");
  const FileOutline outline = outline_of_gguf(std::as_bytes(std::span(bytes)), "x.gguf");
  ASSERT_EQ(outline.tensors.size(), 1u);
  EXPECT_EQ(outline.tensors[0].shape, (std::vector<uint64_t>{2, 32})) << "the file has the fastest axis first";
  for (const uint32_t version : {0u, 1u, 4u, 0x03000000u}) {
    write("old.gguf", gguf("x", version));
    EXPECT_THROW(look("old.gguf"), Error) << version;
  }
}

TEST_F(Foreign, Loras) {
  write("lora.safetensors", safetensors({{"diffusion_model.blocks.0.self_attn.q.lora_A.weight", "[4,1]"},
                                         {"diffusion_model.blocks.0.self_attn.q.lora_B.weight", "[1,4]"}}));
  EXPECT_THAT(message("lora.safetensors", ForeignKind::kLora),
              AllOf(HasSubstr("a LoRA"), HasSubstr("2 of its 2 tensors"), HasSubstr("lora_A")));
  write("kohya.safetensors", safetensors({{"lora_unet_blocks_0_self_attn_q.lora_down.weight", "[4,1]"}}));
  EXPECT_THAT(message("kohya.safetensors", ForeignKind::kLora), HasSubstr("a LoRA"));
  write("pair/high_noise_model.safetensors", safetensors({{"blocks.0.ffn.0.lora_down.weight", "[4,1]"}}));
  write("pair/low_noise_model.safetensors", safetensors({{"blocks.0.ffn.0.lora_down.weight", "[4,1]"}}));
  EXPECT_THAT(message("pair", ForeignKind::kLora), HasSubstr("high_noise_model.safetensors, low_noise_model"));
  write("peft/adapter_config.json", "{}");
  EXPECT_THAT(message("peft", ForeignKind::kLora), HasSubstr("adapter_config.json"));
}

TEST_F(Foreign, FoldersOfFilesOfWhichOneIsReadAreLeftAlone) {
  write("ui/models/unet/wan.gguf", gguf("blocks.0.self_attn.q.weight"));
  write("ui/models/loras/a.safetensors", safetensors({{"blocks.0.ffn.0.lora_down.weight", "[4,1]"}}));
  for (const char* name : {"ui", "ui/models", "ui/models/unet"}) EXPECT_FALSE(look(name)) << name;
  write("loose/a.safetensors", safetensors({{"a", "[4]"}}));
  EXPECT_THAT(message("loose", ForeignKind::kOtherFile), HasSubstr("a folder of single files (a.safetensors)"));
  write("loose/x.safetensors", safetensors({{"decoder.middle.0.residual.0.gamma", "[4]"}}));
  EXPECT_FALSE(look("loose"));
}

TEST_F(Foreign, DiffusersFolders) {
  write("two/model_index.json", R"({"_class_name":"WanImageToVideoPipeline","boundary_ratio":0.9})");
  write("one/model_index.json", R"({"_class_name":"WanPipeline","boundary_ratio":null,"expand_timesteps":true})");
  for (const char* name : {"two", "one"}) EXPECT_FALSE(look(name)) << name;
  write("transformer/config.json", R"({"_class_name":"WanTransformer3DModel"})");
  EXPECT_THAT(message("transformer", ForeignKind::kPart), HasSubstr("WanTransformer3DModel"));
  write("flux/model_index.json", R"({"_class_name":"FluxPipeline"})");
  EXPECT_THAT(message("flux", ForeignKind::kOtherModel), HasSubstr("FluxPipeline"));
  write("broken/model_index.json", "{");
  EXPECT_THROW(look("broken"), Error);
}

TEST_F(Foreign, Wan21) {
  write("diffusers/model_index.json", R"({"_class_name":"WanPipeline","transformer":["diffusers","W"]})");
  EXPECT_THAT(message("diffusers", ForeignKind::kOtherModel),
              AllOf(HasSubstr("a Wan2.1 model, in the layout of diffusers"), HasSubstr("boundary_ratio")));
  write("official/config.json", R"({"_class_name":"WanModel","model_type":"t2v","dim":1536})");
  write("official/diffusion_pytorch_model.safetensors", safetensors({{"head.modulation", "[4]"}}));
  write("official/Wan2.1_VAE.pth", "x");
  EXPECT_THAT(message("official", ForeignKind::kOtherModel),
              AllOf(HasSubstr("a Wan2.1 model, in its official layout"), HasSubstr("model_type t2v")));
  write("image/models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth", "x");
  EXPECT_THAT(message("image", ForeignKind::kOtherModel), HasSubstr("image encoder"));
  write("frames/config.json", R"({"model_type":"flf2v"})");
  write("frames/diffusion_pytorch_model.safetensors", safetensors({{"head.modulation", "[4]"}}));
  EXPECT_THAT(message("frames", ForeignKind::kOtherModel), HasSubstr("flf2v"));
  write("i2v.safetensors", safetensors({{"blocks.0.self_attn.q.weight", "[4]"}, {"img_emb.proj.0.weight", "[4]"}}));
  EXPECT_THAT(message("i2v.safetensors", ForeignKind::kOtherModel),
              AllOf(HasSubstr("DiT of Wan2.1 image to video"), HasSubstr("img_emb.proj.0.weight")));
  write("small.safetensors",
        safetensors({{"blocks.0.self_attn.q.weight", "[4]"}, {"patch_embedding.weight", "[1536,16,1,2,2]"}}));
  EXPECT_THAT(message("small.safetensors", ForeignKind::kOtherModel), HasSubstr("Wan2.1 text to video"));
  write("vace.safetensors",
        safetensors({{"blocks.0.self_attn.q.weight", "[4]"}, {"vace_blocks.0.after_proj.weight", "[4]"}}));
  EXPECT_THAT(message("vace.safetensors", ForeignKind::kOtherModel), HasSubstr("Wan VACE"));
}

TEST_F(Foreign, Pointers) {
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 9988776655\n";
  write("dit.safetensors", pointer);
  EXPECT_THAT(message("dit.safetensors", ForeignKind::kPointer),
              AllOf(HasSubstr("a pointer of git-lfs"), HasSubstr("9988776655 bytes"), HasSubstr("git lfs pull")));
  copy("mini-ti2v-t2v", "clone");
  write("clone/diffusion_pytorch_model-00002-of-00004.safetensors", pointer);
  EXPECT_THAT(look("clone")->message(), AllOf(HasSubstr("00002-of-00004"), HasSubstr("a pointer of git-lfs")));
  copy("mini-ti2v-i2v", "vae");
  write("vae/Wan2.2_VAE.pth", pointer);
  EXPECT_EQ(look("vae")->kind, ForeignKind::kPointer);
}

TEST_F(Foreign, HalfDownloads) {
  const auto cut = [&](const fs::path& file, size_t bytes) { fs::resize_file(folder_ / file, bytes); };
  const std::string whole = safetensors({{"blocks.0.self_attn.q.weight", "[4]"}});
  write("data.safetensors", whole.substr(0, whole.size() - 1));
  EXPECT_THAT(message("data.safetensors", ForeignKind::kHalfDownload),
              AllOf(HasSubstr("half a download"), HasSubstr(std::to_string(whole.size()) + " bytes"),
                    HasSubstr("it has " + std::to_string(whole.size() - 1)), HasSubstr("same download again")));
  write("header.safetensors", whole.substr(0, 20));
  EXPECT_THAT(message("header.safetensors", ForeignKind::kHalfDownload), HasSubstr("within its own header"));
  const std::string quantised = gguf("blocks.0.self_attn.q.weight");
  for (const size_t less : {size_t{1}, size_t{60}, size_t{100}, quantised.size() - 9}) {
    write("q8.gguf", quantised.substr(0, quantised.size() - less));
    EXPECT_THAT(message("q8.gguf", ForeignKind::kHalfDownload), HasSubstr("half a download")) << less;
  }
  write("blob.incomplete", "123");
  EXPECT_THAT(message("blob.incomplete", ForeignKind::kHalfDownload), HasSubstr(".incomplete"));

  copy("mini-ti2v-t2v", "shard");
  fs::remove(folder_ / "shard/diffusion_pytorch_model-00003-of-00004.safetensors");
  EXPECT_THAT(look("shard")->message(),
              AllOf(HasSubstr("half a download"), HasSubstr("1 of the 4 files"), HasSubstr("00003-of-00004")));
  EXPECT_THAT(look("shard/diffusion_pytorch_model.safetensors.index.json")->message(), HasSubstr("1 of the 4 files"));
  copy("mini-ti2v-t2v", "short");
  cut("short/diffusion_pytorch_model-00004-of-00004.safetensors", 5000);
  EXPECT_THAT(look("short")->message(), AllOf(HasSubstr("00004-of-00004"), HasSubstr("it has 5000")));
  copy("mini-ti2v-i2v", "text");
  cut("text/models_t5_umt5-xxl-enc-bf16.pth", 100000);
  EXPECT_THAT(look("text")->message(), AllOf(HasSubstr("umt5-xxl-enc"), HasSubstr("lacks the directory at its end")));
  copy("mini-t2v-moe", "moe");
  fs::resize_file(folder_ / "moe/Wan2.1_VAE.pth", 0);
  EXPECT_THAT(look("moe")->message(), HasSubstr("it is empty"));
  copy("mini-ti2v-i2v", "going");
  fs::remove(folder_ / "going/models_t5_umt5-xxl-enc-bf16.pth");
  write("going/.cache/huggingface/download/models_t5.pth.ab12.incomplete", "1");
  EXPECT_THAT(message("going", ForeignKind::kHalfDownload),
              AllOf(HasSubstr("1 unfinished file of huggingface's client"), HasSubstr("ab12.incomplete")));
}

TEST_F(Foreign, FoldersAroundAndWithinACheckpoint) {
  fs::create_directories(folder_ / "models--Wan-AI--Wan2.2-TI2V-5B/snapshots/0123");
  fs::create_directories(folder_ / "models--Wan-AI--Wan2.2-TI2V-5B/refs");
  EXPECT_FALSE(look("models--Wan-AI--Wan2.2-TI2V-5B"));
  write("models--Wan-AI--Wan2.2-TI2V-5B/blobs/abc.incomplete", "1");
  EXPECT_THAT(message("models--Wan-AI--Wan2.2-TI2V-5B", ForeignKind::kHalfDownload), HasSubstr("1 unfinished"));
  EXPECT_THAT(find_foreign_files(kFixtures / "mini-t2v-moe/high_noise_model")->message(),
              AllOf(HasSubstr("one expert of a checkpoint"), HasSubstr("mini-t2v-moe")));
  EXPECT_THAT(find_foreign_files(kFixtures / "mini-ti2v-i2v/Wan2.2_VAE.pth")->message(),
              AllOf(HasSubstr("one file of a checkpoint"), HasSubstr("name the folder")));
  EXPECT_EQ(find_foreign_files(kFixtures / "mini-ti2v-t2v/diffusion_pytorch_model.safetensors.index.json")->kind,
            ForeignKind::kPart);
  write("notes.txt", "a text");
  EXPECT_THAT(message("notes.txt", ForeignKind::kOtherFile), HasSubstr("a file that is no weights"));
}

TEST_F(Foreign, HostileHeadersAreBounded) {
  const std::string mark = "GGUF" + little(3, 4);
  for (const std::string& bytes : {
           mark + little(UINT64_MAX, 8) + little(UINT64_MAX, 8),
           mark + little(1, 8) + little(1, 8) + little(UINT64_MAX, 8),
           mark + little(0, 8) + little(1, 8) + text_of_gguf("k") + little(9, 4) + little(8, 4) + little(1u << 31, 8),
           mark + little(0, 8) + little(1, 8) + text_of_gguf("k") + little(9, 4) + little(4, 4) + little(UINT64_MAX, 8),
           mark + little(1, 8) + little(0, 8) + text_of_gguf("t") + little(1, 4) + little(UINT64_MAX, 8) +
               little(8, 4) + little(UINT64_MAX, 8),
       }) {
    write("x.gguf", bytes);
    EXPECT_EQ(look("x.gguf")->kind, ForeignKind::kHalfDownload);
  }
  std::string nested = mark + little(0, 8) + little(1, 8) + text_of_gguf("k") + little(9, 4);
  for (int i = 0; i < 100; ++i) nested += little(9, 4) + little(1, 8);
  write("x.gguf", nested);
  EXPECT_THROW(look("x.gguf"), Error);
  write("x.safetensors", little(1, 8) + "{" + std::string(50, '['));
  EXPECT_THROW(look("x.safetensors"), Error);
  write("y.safetensors", safetensors({{"\\u202e" + std::string(5000, 'y') + ".lora_A.weight", "[4]"}}));
  EXPECT_LT(look("y.safetensors")->message().size(), 2000u);
}

}  // namespace
}  // namespace wan
