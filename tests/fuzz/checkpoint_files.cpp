// config.json and the card of a checkpoint, and files that are none.
#include <string>

#include "cli/model_card.h"
#include "io/tensor_file.h"
#include "model/dit.h"
#include "model/foreign_files.h"
#include "model/variant.h"
#include "targets.h"
#include "temporary_folder.h"

namespace wan::fuzz {
namespace {

/// A checkpoint's folder whose config.json is the input, with the tensors that its sizes are read off.
struct Folder {
  test::TemporaryFolder path;
  TensorFile tensors;

  Folder() {
    std::filesystem::create_symlink(as_file({}), path / "config.json");
    const std::vector<SafetensorsWriter::Declared> declared = {
        {"patch_embedding.weight", DType::kF32, {16, 4, 1, 2, 2}},
        {"text_embedding.0.weight", DType::kF32, {16, 8}},
        {"blocks.0.ffn.0.weight", DType::kF32, {32, 16}},
        {"blocks.0.modulation", DType::kF32, {1, 6, 16}},
        {"head.head.weight", DType::kF32, {16, 16}},
    };
    SafetensorsWriter writer(path / "model.safetensors", declared);
    for (const SafetensorsWriter::Declared& tensor : declared) {
      const std::string zeros(static_cast<size_t>(tensor.shape.count()) * sizeof(float), '\0');
      writer.write(std::as_bytes(std::span(zeros)));
    }
    writer.finish(Sync::kCached);
    tensors = TensorFile::open(path / "model.safetensors");
  }
};

}  // namespace

void config(Bytes input) {
  static const Folder folder;
  as_file(input);
  const Variant& variant = read_variant(folder.path);
  const DitConfig sizes = read_dit_config(folder.path, folder.tensors);
  check(sizes.patch == variant.dit.patch && sizes.head_dim() * sizes.num_heads == sizes.dim, "heads fill the width");
  check(dit_stem_layout(sizes, DType::kBF16).bytes() > 0 && dit_block_layout(sizes, 0, DType::kF32).bytes() > 0,
        "a model has weights");
  check(!model_name(variant, sizes).empty(), "a model has a name");
}

void foreign(Bytes input) {
  const auto found = find_foreign_files(as_file(input));
  check(found.has_value(), "a file is no folder in the official layout, whatever it holds");
  constexpr size_t kLongest = 4096;
  check(found->message().size() < kLongest, "a message has an end");
}

void card(Bytes input) {
  const cli::ModelCard found = cli::parse_model_card(text_of(input));
  check(found.licence.size() + found.text.size() <= input.size(), "a card holds no more than its file");
}

}  // namespace wan::fuzz
