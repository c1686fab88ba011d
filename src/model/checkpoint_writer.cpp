#include "model/checkpoint_writer.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <span>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/threads.h"
#include "io/pth_writer.h"
#include "io/streamed_file.h"
#include "model/official_layout.h"

namespace wan {
namespace {

constexpr int64_t kChunkElements = int64_t{4} << 20;  // made or converted at a time by one thread
constexpr int kThreadsPerFile = 4;                    // more values than one file takes
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

/// Consecutive items of at most `shard_bytes`, or of one.
std::vector<std::span<const Item>> split(const std::vector<Item>& items, uint64_t shard_bytes) {
  std::vector<std::span<const Item>> shards;
  size_t first = 0;
  uint64_t bytes = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > first && bytes + items[i].bytes() > shard_bytes) {
      shards.push_back(std::span(items).subspan(first, i - first));
      first = i;
      bytes = 0;
    }
    bytes += items[i].bytes();
  }
  shards.push_back(std::span(items).subspan(first));
  return shards;
}

/// What one thread makes at a time.
struct Range {
  const Item* item;
  int64_t begin, end;
};

std::vector<Range> ranges_of(std::span<const Item> items) {
  std::vector<Range> ranges;
  for (const Item& item : items)
    for (int64_t begin = 0; begin < item.part.shape.count(); begin += kChunkElements)
      ranges.push_back({&item, begin, std::min(begin + kChunkElements, item.part.shape.count())});
  return ranges;
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
    const std::filesystem::path beside = sibling_temporary(target_);
    require(std::filesystem::create_directory(beside),
            fmt::format("{} is there already, left by a process that was killed: remove it", beside.string()),
            ErrorKind::kUsage);
    beside_ = beside;  // from here on it is ours to remove
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

/// Collects what goes into one checkpoint folder, then writes all its large files at once: a single thread cannot fill
/// the page cache as fast as the values are made.
class CheckpointWriter {
 public:
  CheckpointWriter(const std::filesystem::path& target, uint64_t bytes, Sync sync, const WriteOptions& options)
      : total_(bytes), sync_(sync), options_(options), folder_(target, bytes + kSpareBytes) {}

  const std::filesystem::path& folder() const { return folder_.path(); }

  /// Shards and their index. `source` and `items` are read by `finish`.
  void add_dit(const std::filesystem::path& folder, const WeightSource& source, const std::vector<Item>& items) {
    std::filesystem::create_directories(folder);
    const std::vector<std::span<const Item>> shards = split(items, options_.shard_bytes);
    nlohmann::ordered_json places = nlohmann::ordered_json::object();
    for (size_t i = 0; i < shards.size(); ++i) {
      const std::string name = dit_shard_name(i, shards.size());
      for (const Item& item : shards[i]) places[item.part.source] = name;
      tasks_.push_back([this, path = folder / name, &source, shard = shards[i]](const std::atomic<bool>& failed) {
        SafetensorsWriter file(path, declared(shard), {{"format", "pt"}});
        write_items(file, source, shard, failed);
      });
    }
    const nlohmann::ordered_json index{{"metadata", {{"total_size", total_bytes(items)}}}, {"weight_map", places}};
    write_atomically(folder / kDitIndexName, index.dump(2) + "\n");
  }

  /// `source` and `items` are read by `finish`.
  void add_pth(std::string_view name, const WeightSource& source, const std::vector<Item>& items) {
    tasks_.push_back([this, path = folder() / name, &source, &items](const std::atomic<bool>& failed) {
      PthWriter file(path, declared(items));
      write_items(file, source, items, failed);
    });
  }

  void add_copy(const std::filesystem::path& from, std::string_view name) {
    tasks_.push_back([this, from, name](const std::atomic<bool>& failed) {
      const MappedFile source(from);
      StreamedFile copy(folder() / name);
      for (uint64_t at = 0; at < source.bytes().size(); at += kCopyBytes) {
        const auto bytes = source.bytes().subspan(at, std::min<uint64_t>(kCopyBytes, source.bytes().size() - at));
        copy.append(bytes);
        count(bytes.size(), failed);
      }
      copy.finish(sync_);
    });
  }

  /// From a folder, or a file of its own.
  void copy_tokenizer(const std::filesystem::path& from) {
    const std::filesystem::path to = tokenizer_folder(folder());
    std::filesystem::create_directories(to);
    if (std::filesystem::is_regular_file(from)) {
      std::filesystem::copy_file(from, to / (from.extension() == ".json" ? "tokenizer.json" : "spiece.model"));
      return;
    }
    require(std::filesystem::is_directory(from), fmt::format("there is no tokenizer folder {}", from.string()));
    for (const char* name : {"tokenizer.json", "spiece.model", "tokenizer_config.json", "special_tokens_map.json"})
      if (std::filesystem::exists(from / name)) std::filesystem::copy_file(from / name, to / name);
  }

  /// The same where it lies within the text encoder's file. Throws Error(kUsage) for GGUF's, which no file of the
  /// official layout holds.
  void put_tokenizer(const Checkpoint& checkpoint) {
    if (!checkpoint.files.tokenizer.empty()) return copy_tokenizer(checkpoint.files.tokenizer);
    const StoredTensor* model = checkpoint.text_encoder.facts().spiece_model;
    require(model != nullptr,
            fmt::format("{}: its tokenizer is in keys of GGUF, which the official layout has no file for: name "
                        "tokenizer.json or spiece.model with --tokenizer",
                        checkpoint.files.text_encoder.string()),
            ErrorKind::kUsage);
    const auto bytes = checkpoint.text_encoder.file().bytes_of(*model);
    std::filesystem::create_directories(tokenizer_folder(folder()));
    write_atomically(tokenizer_folder(folder()) / "spiece.model",
                     {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }

  /// Writes all files. What was written must be what the engine accepts.
  void finish() {
    run_together(tasks_);
    open_checkpoint(folder());
    folder_.finish();
  }

 private:
  template <typename Writer>
  void write_items(Writer& file, const WeightSource& source, std::span<const Item> items,
                   const std::atomic<bool>& failed) {
    const std::vector<Range> ranges = ranges_of(items);
    const auto produce = [&](int64_t index, std::vector<std::byte>& out) {
      const auto& [item, begin, end] = ranges[static_cast<size_t>(index)];
      out.resize(static_cast<size_t>(end - begin) * size_of(item->dtype));
      source.read(item->part, begin, end, item->dtype, out.data());
    };
    const auto consume = [&](int64_t, std::span<const std::byte> bytes) {
      file.write(bytes);
      count(bytes.size(), failed);
    };
    produce_in_order(static_cast<int64_t>(ranges.size()), kThreadsPerFile, produce, consume);
    file.finish(sync_);
  }

  void count(uint64_t bytes, const std::atomic<bool>& failed) {
    if (failed) throw Error(ErrorKind::kInterrupted, "another file of the checkpoint could not be written");
    const std::lock_guard lock(mutex_);
    done_ += bytes;
    if (options_.progress) options_.progress(done_, total_);
  }

  std::mutex mutex_;
  uint64_t done_ = 0, total_;
  Sync sync_;
  const WriteOptions& options_;
  FolderInProgress folder_;
  std::vector<std::function<void(const std::atomic<bool>&)>> tasks_;
};

void write_config(const std::filesystem::path& folder, const Variant& variant, const DitConfig& config) {
  const nlohmann::ordered_json json{
      {"_class_name", "WanModel"},
      {"dim", config.dim},
      {"eps", std::strtod(fmt::format("{}", config.eps).c_str(), nullptr)},  // 1e-06, not its nearest float
      {"ffn_dim", config.ffn_dim},
      {"freq_dim", config.freq_dim},
      {"in_dim", config.in_dim},
      {"model_type", std::string(variant.task)},
      {"num_heads", config.num_heads},
      {"num_layers", config.num_layers},
      {"out_dim", config.out_dim},
      {"text_len", config.text_len}};
  write_atomically(folder / "config.json", json.dump(2) + "\n");
}

}  // namespace

CheckpointSizes published_checkpoint_sizes(const Variant& variant) {
  return {&variant, variant.dit, published_text_encoder_config(), vae_parts(variant.vae, nullptr)};
}

void make_checkpoint(const CheckpointSizes& sizes, uint64_t seed, DType dit_dtype,
                     const std::filesystem::path& tokenizer, const std::filesystem::path& target,
                     const WriteOptions& options) {
  std::vector<Item> dit = dit_items(sizes.dit, dit_dtype);
  store_all_as(dit, dit_dtype);
  const std::vector<Item> text = text_items(sizes.text);
  std::vector<Item> vae;
  for (const WeightPart& part : sizes.vae) vae.push_back({part, DType::kF32});
  const std::vector<std::string> folders = expert_folders(*sizes.variant);

  // Random weights can be made again: they need not reach the disk before they are used.
  CheckpointWriter writer(target, folders.size() * total_bytes(dit) + total_bytes(text) + total_bytes(vae),
                          Sync::kCached, options);
  const WeightSource text_source = random_weights(Component::kTextEncoder, seed);
  const WeightSource vae_source = random_weights(Component::kVae, seed);
  std::vector<WeightSource> dit_sources;
  for (size_t i = 0; i < folders.size(); ++i) dit_sources.push_back(random_weights(dit_component(i), seed));
  for (size_t i = 0; i < folders.size(); ++i) {
    const std::filesystem::path folder = writer.folder() / folders[i];
    writer.add_dit(folder, dit_sources[i], dit);
    write_config(folder, *sizes.variant, sizes.dit);
  }
  writer.add_pth(kTextEncoderName, text_source, text);
  writer.add_pth(sizes.variant->vae_traits().file_name, vae_source, vae);
  writer.copy_tokenizer(tokenizer);
  writer.finish();
}

namespace {

/// Whether a file is what the official layout has for its part: copied, not converted.
bool is_official_pth(const WeightFile& file) {
  const auto& schemes = file.facts().schemes;
  return file.file().format() == "pth" && file.facts().naming == WeightNaming::kOfficial &&
         file.facts().prefix.empty() && schemes.size() == 1 &&
         schemes.contains(std::string(name_of(WeightScheme::kPlain))) && file.file().files().size() == 1;
}

uint64_t packed_bytes(const WeightFile& file, std::span<const Item> items) {
  return is_official_pth(file) ? std::filesystem::file_size(file.file().path()) : total_bytes(items);
}

}  // namespace

void pack_checkpoint(const WeightChoice& choice, const std::filesystem::path& target, const WriteOptions& options) {
  const Checkpoint checkpoint = open_checkpoint(choice);
  const std::vector<Item> dit = dit_items(checkpoint.dit, DType::kBF16);
  const std::vector<Item> text = text_items(checkpoint.text);
  std::vector<Item> vae;
  for (const WeightPart& part : vae_parts(checkpoint.vae.version, &checkpoint.vae_file))
    vae.push_back({part, DType::kF32});
  const std::vector<std::string> folders = expert_folders(*checkpoint.variant);

  CheckpointWriter writer(target,
                          folders.size() * total_bytes(dit) + packed_bytes(checkpoint.text_encoder, text) +
                              packed_bytes(checkpoint.vae_file, vae),
                          Sync::kOnDisk, options);
  std::vector<WeightSource> sources;
  for (const WeightFile& file : checkpoint.dits) sources.push_back(WeightSource::from_file(file));
  for (size_t i = 0; i < folders.size(); ++i) {
    const std::filesystem::path folder = writer.folder() / folders[i];
    writer.add_dit(folder, sources[i], dit);
    write_config(folder, *checkpoint.variant, checkpoint.dit);
  }
  if (const auto defaults = checkpoint.files.folder / kCheckpointDefaultsName; std::filesystem::exists(defaults))
    std::filesystem::copy_file(defaults, writer.folder() / kCheckpointDefaultsName);
  const WeightSource text_source = WeightSource::from_file(checkpoint.text_encoder);
  const WeightSource vae_source = WeightSource::from_file(checkpoint.vae_file);
  const auto add = [&](const WeightFile& file, const WeightSource& source, const std::vector<Item>& items,
                       std::string_view name) {
    is_official_pth(file) ? writer.add_copy(file.file().path(), name) : writer.add_pth(name, source, items);
  };
  add(checkpoint.text_encoder, text_source, text, kTextEncoderName);
  add(checkpoint.vae_file, vae_source, vae, checkpoint.variant->vae_traits().file_name);
  writer.put_tokenizer(checkpoint);
  writer.finish();
}

}  // namespace wan
