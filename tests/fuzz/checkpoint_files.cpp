// config.json and the card of a checkpoint, and files that are none.
#include <string>

#include "cli/model_card.h"
#include "io/tensor_file.h"
#include "model/dit.h"
#include "model/dit_identity.h"
#include "model/foreign_files.h"
#include "model/variant.h"
#include "targets.h"
#include "temporary_folder.h"

namespace wan::fuzz {
namespace {

/// A checkpoint's folder whose config.json is the input, with the tensors that its sizes are read off.
struct Folder {
  test::TemporaryFolder path;
  WeightFile tensors;

  Folder() {
    std::filesystem::create_symlink(as_file({}), path / "config.json");
    DitConfig sizes;
    sizes.dim = 16;
    sizes.ffn_dim = 32;
    sizes.in_dim = sizes.out_dim = 4;
    sizes.text_dim = sizes.freq_dim = 8;
    sizes.num_heads = sizes.num_layers = 1;
    std::vector<SafetensorsWriter::Declared> declared;
    for (const WeightLayout& layout : {dit_stem_layout(sizes, DType::kF32), dit_block_layout(sizes, 0, DType::kF32)})
      for (const WeightSlot& slot : layout.slots())
        for (const WeightPart& part : slot.parts) declared.push_back({part.source, DType::kF32, part.shape});
    SafetensorsWriter writer(path / "model.safetensors", declared);
    for (const SafetensorsWriter::Declared& tensor : declared) {
      const std::string zeros(static_cast<size_t>(tensor.shape.count()) * sizeof(float), '\0');
      writer.write(std::as_bytes(std::span(zeros)));
    }
    writer.finish(Sync::kCached);
    tensors = WeightFile::open(path / "model.safetensors");
  }
};

}  // namespace

void config(Bytes input) {
  static const Folder folder;
  as_file(input);
  const auto [row, sizes, evidence] = identify_dit(folder.tensors, folder.path / "config.json");
  const Variant& variant = *row;
  check(sizes.patch == variant.dit.patch && sizes.head_dim() * sizes.num_heads == sizes.dim, "heads fill the width");
  check(dit_stem_layout(sizes, DType::kBF16).bytes() > 0 && dit_block_layout(sizes, 0, DType::kF32).bytes() > 0,
        "a model has weights");
  check(!model_name(variant, sizes).empty(), "a model has a name");
}

void foreign(Bytes input) {
  const auto found = find_foreign_files(as_file(input));
  constexpr size_t kLongest = 4096;
  check(!found || found->message().size() < kLongest, "a message has an end");
}

void card(Bytes input) {
  const cli::ModelCard found = cli::parse_model_card(text_of(input));
  check(found.licence.size() + found.text.size() <= input.size(), "a card holds no more than its file");
}

}  // namespace wan::fuzz
