#include "model/checkpoint_writer.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/threads.h"
#include "io/pth_writer.h"
#include "io/streamed_file.h"

namespace wan {
namespace {

constexpr int64_t kChunkElements = int64_t{4} << 20;  // made or converted at a time by one thread
constexpr uint64_t kCopyBytes = uint64_t{16} << 20;
constexpr uint64_t kSpareBytes = uint64_t{64} << 20;  // headers, tokenizer

using Declared = SafetensorsWriter::Declared;

/// A tensor to write: where its values come from, and in which type it is stored.
struct Item {
  WeightPart part;
  DType dtype;

  uint64_t bytes() const { return static_cast<uint64_t>(part.shape.count()) * size_of(dtype); }
};

uint64_t total_bytes(std::span<const Item> items) {
  uint64_t bytes = 0;
  for (const Item& item : items) bytes += item.bytes();
  return bytes;
}

void append(std::vector<Item>& items, const WeightLayout& layout) {
  for (const WeightSlot& slot : layout.slots())
    for (const WeightPart& part : slot.parts) items.push_back({part, slot.dtype});
}

/// In the order the engine loads them, each in the type the engine keeps when it computes in `compute`.
std::vector<Item> dit_items(const DitConfig& config, DType compute) {
  std::vector<Item> items;
  append(items, dit_stem_layout(config, compute));
  for (int64_t i = 0; i < config.num_layers; ++i) append(items, dit_block_layout(config, static_cast<int>(i), compute));
  return items;
}

void store_all_as(std::vector<Item>& items, DType dtype) {
  for (Item& item : items) item.dtype = dtype;
}

std::vector<Item> text_items(const TextEncoderConfig& config) {
  std::vector<Item> items{{text_embedding_part(config), DType::kBF16}};
  for (int64_t i = 0; i < config.num_layers; ++i)
    append(items, text_encoder_layer_layout(config, static_cast<int>(i), DType::kBF16));
  append(items, text_encoder_norm_layout(config));
  store_all_as(items, DType::kBF16);
  return items;
}

std::vector<Declared> declared(std::span<const Item> items) {
  std::vector<Declared> out;
  for (const Item& item : items) out.push_back({item.part.source, item.dtype, item.part.shape});
  return out;
}

/// A folder made beside its final name, which it takes when complete; otherwise it is removed.
class FolderInProgress {
 public:
  /// Throws Error(kUsage) when `target` is there and not empty or `needed_bytes` are not free beside it.
  FolderInProgress(const std::filesystem::path& target, uint64_t needed_bytes) {
    target_ = std::filesystem::absolute(target).lexically_normal();
    if (!target_.has_filename()) target_ = target_.parent_path();
    const bool there = std::filesystem::exists(target_);
    const bool empty = there && std::filesystem::is_directory(target_) && std::filesystem::is_empty(target_);
    require(!there || empty, fmt::format("{} is there already: name a folder that is new or empty", target_.string()),
            ErrorKind::kUsage);
    require_writable(target_.parent_path(), needed_bytes);
    beside_ = sibling_temporary(target_);
    std::filesystem::create_directory(beside_);
  }
  ~FolderInProgress() {
    std::error_code ignored;
    if (!beside_.empty()) std::filesystem::remove_all(beside_, ignored);
  }
  FolderInProgress(const FolderInProgress&) = delete;
  FolderInProgress& operator=(const FolderInProgress&) = delete;

  const std::filesystem::path& path() const { return beside_; }
  void finish() {
    std::error_code failure;
    std::filesystem::rename(beside_, target_, failure);
    require(!failure, fmt::format("cannot rename {} to {}: {}", beside_.string(), target_.string(), failure.message()),
            ErrorKind::kRuntime);
    beside_.clear();
  }

 private:
  std::filesystem::path target_, beside_;
};

/// Writes into one checkpoint folder and keeps count.
class CheckpointWriter {
 public:
  CheckpointWriter(const std::filesystem::path& target, uint64_t bytes, const WriteOptions& options)
      : total_(bytes), options_(options), folder_(target, bytes + kSpareBytes) {}

  const std::filesystem::path& folder() const { return folder_.path(); }

  void write_dit(const std::filesystem::path& folder, const WeightSource& source, const std::vector<Item>& items) {
    std::filesystem::create_directories(folder);
    const std::vector<std::span<const Item>> shards = split(items);
    nlohmann::ordered_json places = nlohmann::ordered_json::object();
    for (size_t i = 0; i < shards.size(); ++i) {
      const std::string name = fmt::format("diffusion_pytorch_model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
      SafetensorsWriter file(folder / name, declared(shards[i]), {{"format", "pt"}});
      write_items(source, shards[i], [&file](std::span<const std::byte> bytes) { file.write(bytes); });
      file.finish();
      for (const Item& item : shards[i]) places[item.part.source] = name;
    }
    const nlohmann::ordered_json index{{"metadata", {{"total_size", total_bytes(items)}}}, {"weight_map", places}};
    write_atomically(folder / kDitIndexName, index.dump(2) + "\n");
  }

  void write_pth(const char* name, const WeightSource& source, const std::vector<Item>& items) {
    PthWriter file(folder() / name, declared(items));
    write_items(source, items, [&file](std::span<const std::byte> bytes) { file.write(bytes); });
    file.finish();
  }

  void copy_file(const std::filesystem::path& from) {
    const MappedFile source(from);
    StreamedFile copy(folder() / from.filename());
    for (uint64_t at = 0; at < source.bytes().size(); at += kCopyBytes) {
      const auto bytes = source.bytes().subspan(at, std::min<uint64_t>(kCopyBytes, source.bytes().size() - at));
      copy.append(bytes);
      count(bytes.size());
    }
    copy.finish();
  }

  void copy_tokenizer(const std::filesystem::path& from) {
    require(std::filesystem::is_directory(from), fmt::format("there is no tokenizer folder {}", from.string()));
    std::filesystem::create_directories(tokenizer_folder(folder()));
    std::filesystem::copy(from, tokenizer_folder(folder()), std::filesystem::copy_options::recursive);
  }

  /// What was written must be what the engine accepts.
  void finish() {
    open_checkpoint(folder());
    folder_.finish();
  }

 private:
  std::vector<std::span<const Item>> split(const std::vector<Item>& items) const {
    std::vector<std::span<const Item>> shards;
    size_t first = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > first && bytes + items[i].bytes() > options_.shard_bytes) {
        shards.push_back(std::span(items).subspan(first, i - first));
        first = i;
        bytes = 0;
      }
      bytes += items[i].bytes();
    }
    shards.push_back(std::span(items).subspan(first));
    return shards;
  }

  void write_items(const WeightSource& source, std::span<const Item> items,
                   const std::function<void(std::span<const std::byte>)>& write) {
    struct Range {
      const Item* item;
      int64_t begin, end;
    };
    std::vector<Range> ranges;
    for (const Item& item : items)
      for (int64_t begin = 0; begin < item.part.shape.count(); begin += kChunkElements)
        ranges.push_back({&item, begin, std::min(begin + kChunkElements, item.part.shape.count())});
    const auto produce = [&](int64_t index, std::vector<std::byte>& out) {
      const auto& [item, begin, end] = ranges[static_cast<size_t>(index)];
      out.resize(static_cast<size_t>(end - begin) * size_of(item->dtype));
      source.read(item->part, begin, end, item->dtype, out.data());
    };
    produce_in_order(static_cast<int64_t>(ranges.size()), produce, [&](int64_t, std::span<const std::byte> bytes) {
      write(bytes);
      count(bytes.size());
    });
  }

  void count(uint64_t bytes) {
    done_ += bytes;
    if (options_.progress) options_.progress(done_, total_);
  }

  uint64_t done_ = 0, total_;
  const WriteOptions& options_;
  FolderInProgress folder_;
};

void write_config(const std::filesystem::path& folder, const DitConfig& config) {
  const nlohmann::ordered_json json{{"_class_name", "WanModel"},
                                    {"dim", config.dim},
                                    {"eps", std::stod(fmt::format("{}", config.eps))},  // 1e-06, not its nearest float
                                    {"ffn_dim", config.ffn_dim},
                                    {"freq_dim", config.freq_dim},
                                    {"in_dim", config.in_dim},
                                    {"model_type", config.model_type},
                                    {"num_heads", config.num_heads},
                                    {"num_layers", config.num_layers},
                                    {"out_dim", config.out_dim},
                                    {"text_len", config.text_len}};
  write_atomically(folder / "config.json", json.dump(2) + "\n");
}

/// Folders of the DiTs, relative to the checkpoint's.
std::vector<std::filesystem::path> dit_folders(bool two_experts) {
  if (two_experts) return {kExpertFolders.begin(), kExpertFolders.end()};
  return {""};
}

}  // namespace

CheckpointSizes published_checkpoint_sizes(const std::string& model) {
  CheckpointSizes sizes;
  sizes.dit = published_dit_config(model);
  sizes.text = published_text_encoder_config();
  sizes.vae_version = sizes.two_experts() ? VaeVersion::k21 : VaeVersion::k22;
  sizes.vae = vae_parts(sizes.vae_version, nullptr);
  return sizes;
}

void make_checkpoint(const CheckpointSizes& sizes, uint64_t seed, DType dit_dtype,
                     const std::filesystem::path& tokenizer, const std::filesystem::path& target,
                     const WriteOptions& options) {
  std::vector<Item> dit = dit_items(sizes.dit, dit_dtype);
  store_all_as(dit, dit_dtype);
  const std::vector<Item> text = text_items(sizes.text);
  std::vector<Item> vae;
  for (const WeightPart& part : sizes.vae) vae.push_back({part, DType::kF32});
  const std::vector<std::filesystem::path> folders = dit_folders(sizes.two_experts());

  CheckpointWriter writer(target, folders.size() * total_bytes(dit) + total_bytes(text) + total_bytes(vae), options);
  for (size_t i = 0; i < folders.size(); ++i) {
    const std::filesystem::path folder = writer.folder() / folders[i];
    writer.write_dit(folder, random_weights(i == 0 ? Component::kDit : Component::kLowNoiseDit, seed), dit);
    write_config(folder, sizes.dit);
  }
  writer.write_pth(kTextEncoderName, random_weights(Component::kTextEncoder, seed), text);
  writer.write_pth(vae_file_name(sizes.vae_version), random_weights(Component::kVae, seed), vae);
  writer.copy_tokenizer(tokenizer);
  writer.finish();
}

void pack_checkpoint(const std::filesystem::path& source, const std::filesystem::path& target,
                     const WriteOptions& options) {
  const Checkpoint checkpoint = open_checkpoint(source);
  const std::vector<Item> dit = dit_items(checkpoint.dit, DType::kBF16);
  const std::vector<std::filesystem::path> folders = dit_folders(checkpoint.two_experts());
  const auto& text = checkpoint.text_encoder.path();
  const auto& vae = checkpoint.vae_file.path();

  CheckpointWriter writer(
      target, folders.size() * total_bytes(dit) + std::filesystem::file_size(text) + std::filesystem::file_size(vae),
      options);
  for (size_t i = 0; i < folders.size(); ++i) {
    const std::filesystem::path folder = writer.folder() / folders[i];
    writer.write_dit(folder, WeightSource::from_file(checkpoint.dits[i]), dit);
    std::filesystem::copy_file(source / folders[i] / "config.json", folder / "config.json");
  }
  writer.copy_file(text);
  writer.copy_file(vae);
  writer.copy_tokenizer(checkpoint.tokenizer);
  writer.finish();
}

}  // namespace wan
