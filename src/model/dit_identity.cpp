#include "model/dit_identity.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_parse.h"
#include "base/json_reader.h"
#include "io/printable.h"
#include "model/tokenizer.h"

namespace wan {
namespace {

/// What the numbers of config.json may be.
constexpr Bounds<int64_t> kWidths{1, 1'000'000};
constexpr Bounds<int64_t> kHeads{1, 10'000};
constexpr Bounds<int64_t> kTextLengths{kTextLength, 65'536};  // the tokenizer fills up to kTextLength
constexpr Bounds<double> kEps{1e-12, 1e-2};                   // beside a mean square of about one, in float32

constexpr uint64_t kMostConfigBytes = uint64_t{1} << 20;
constexpr int64_t kPublishedHeadDim = 128;
constexpr const char* kGgufHeads = "wan.attention.head_count";

/// How a config.json spells what is read of it.
struct Spelling {
  const char *heads, *in_dim, *out_dim;
};
constexpr Spelling kOfficial{"num_heads", "in_dim", "out_dim"};
constexpr Spelling kDiffusers{"num_attention_heads", "in_channels", "out_channels"};

/// The row whose published DiT reads and writes as many channels, and takes audio and a driving video or does not as
/// this one.
const Variant* variant_of_channels(const DitConfig& dit) {
  const auto rows = variants();
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const Variant& each) {
    return each.dit.in_dim == dit.in_dim && each.dit.out_dim == dit.out_dim &&
           each.takes_audio() == (dit.speech.injected > 0) &&
           each.takes_driving_video() == (dit.animate.face_blocks > 0);
  });
  return row == rows.end() ? nullptr : &*row;
}

const Variant& variant_by_channels(const DitConfig& dit, const std::string& where) {
  const Variant* row = variant_of_channels(dit);
  require(row != nullptr, fmt::format("{}: a DiT of {} channels in and {} out, which is none of {}", where, dit.in_dim,
                                      dit.out_dim, model_names_text()));
  return *row;
}

/// By model_type, or where there is none by the class.
const Variant& variant_in(JsonReader& config) {
  std::string task;
  config.read("model_type", task);
  const nlohmann::json* class_name = config.find("_class_name");
  const Variant* variant = find_task(task);
  for (const Variant& row : variants())
    if (task.empty() && row.makes_clips() && class_name != nullptr && class_name->is_string() &&
        class_name->get_ref<const std::string&>() == row.class_name)
      variant = &row;
  std::vector<std::string_view> known;
  for (const Variant& row : variants()) known.push_back(row.task);
  if (variant == nullptr)
    throw config.error(fmt::format("model_type \"{}\" is not one of {}", task, fmt::join(known, ", ")));
  return *variant;
}

/// What config.json says of a size must be what the tensors have; a size that it leaves out is theirs.
void check_size(JsonReader& json, const char* key, int64_t of_tensors) {
  std::optional<int64_t> said;
  json.read(key, said, kWidths);
  if (said && *said != of_tensors)
    throw json.error(fmt::format("field '{}' is {}, but the tensors have {}", key, *said, of_tensors));
}

void check_sizes(JsonReader& json, const Spelling& spelling, const DitConfig& config) {
  check_size(json, "ffn_dim", config.ffn_dim);
  check_size(json, spelling.in_dim, config.in_dim);
  check_size(json, spelling.out_dim, config.out_dim);
  check_size(json, "text_dim", config.text_dim);
  check_size(json, "freq_dim", config.freq_dim);
  check_size(json, "num_layers", config.num_layers);
}

void require_even_heads(const DitConfig& c, const std::string& where, std::string_view key) {
  require(c.num_heads > 0 && c.dim % c.num_heads == 0 && c.head_dim() % 2 == 0,
          fmt::format("{}: {} {} does not divide dim {} into even heads", where, key, c.num_heads, c.dim));
}

/// Models of other families have these in diffusers' form.
void refuse_others(JsonReader& json, const nlohmann::json& config) {
  for (const char* key : {"image_dim", "added_kv_proj_dim", "vace_layers", "motion_encoder_size"})
    if (const auto found = config.find(key); found != config.end() && !found->is_null())
      throw json.error(
          fmt::format("field '{}' is set: a model of another family, which this program does not run", key));
}

/// Which blocks audio is injected behind; and that the rest of the class is as the published model has it.
void read_speech(JsonReader& reader, DitConfig& c) {
  SpeechConfig& speech = c.speech;
  check_size(reader, "audio_dim", speech.audio_dim);
  check_size(reader, "num_audio_token", speech.audio_tokens);
  check_size(reader, "cond_dim", c.out_dim);
  for (const auto& [key, expected] : {std::pair{"enable_adain", true},
                                      {"enable_framepack", true},
                                      {"enable_motioner", false},
                                      {"enable_tsm", false},
                                      {"zero_timestep", true},
                                      {"add_last_motion", true}}) {
    bool said = expected;
    reader.read(key, said);
    if (said != expected)
      throw reader.error(
          fmt::format("field '{}' is {}: a form of the model that was not published and is not read", key, said));
  }
  for (const auto& [key, expected] : {std::pair{"adain_mode", "attn_norm"}, {"framepack_drop_mode", "padd"}}) {
    std::string said = expected;
    reader.read(key, said);
    if (said != expected)
      throw reader.error(fmt::format("field '{}' is '{}', expected {}: another form of the model is not read", key,
                                     printable(said), expected));
  }
  const nlohmann::json* blocks = reader.find("audio_inject_layers");
  if (blocks == nullptr) throw reader.error("field 'audio_inject_layers' is missing");
  const auto is_block = [&](const nlohmann::json& block) {
    return json_number(block, Bounds<int64_t>{0, c.num_layers - 1}).has_value();
  };
  const bool is_list = blocks->is_array() && std::ssize(*blocks) == speech.injected &&
                       std::all_of(blocks->begin(), blocks->end(), is_block) &&
                       std::adjacent_find(blocks->begin(), blocks->end(), [](const auto& a, const auto& b) {
                         return a.template get<int64_t>() >= b.template get<int64_t>();
                       }) == blocks->end();
  if (!is_list)
    throw reader.wrong("audio_inject_layers",
                       fmt::format("a list of {} numbers of blocks, ascending, below {}, as the tensors have them",
                                   speech.injected, c.num_layers),
                       *blocks);
  for (size_t i = 0; i < blocks->size(); ++i) speech.after_block[i] = (*blocks)[i].get<int32_t>();
}

/// That the rest of the class is as the published model has it.
void read_animate(JsonReader& reader, const DitConfig& c) {
  check_size(reader, "motion_encoder_dim", c.animate.motion_dim);
  for (const char* key : {"use_img_emb", "qk_norm", "cross_attn_norm"}) {
    bool said = true;
    reader.read(key, said);
    if (!said)
      throw reader.error(
          fmt::format("field '{}' is false: a form of the model that was not published and is not read", key));
  }
}

/// Where nothing but the tensors is there: as published.
void assume_speech(const Variant& variant, DitConfig& c, const std::string& where) {
  const SpeechConfig& published = variant.dit.speech;
  require(c.speech.injected == published.injected && c.num_layers == variant.dit.num_layers,
          fmt::format("{}: nothing tells the blocks behind which audio is injected: put the model's config.json beside "
                      "it, with audio_inject_layers",
                      where));
  c.speech.after_block = published.after_block;
}

DitIdentity read_config(const WeightFile& file, const std::filesystem::path& path) {
  const nlohmann::json json = parse_json(read_text(path, kMostConfigBytes), path.string());
  JsonReader reader(json, path.string());
  const bool official = !json.is_object() || !json.contains(kDiffusers.heads);
  const Spelling& spelling = official ? kOfficial : kDiffusers;
  DitIdentity found{nullptr, file.sizes().dit, path.filename().string()};
  DitConfig& c = found.config;
  if (official) {
    found.variant = &variant_in(reader);
    check_size(reader, "dim", c.dim);
    require(found.variant->takes_audio() == (c.speech.injected > 0),
            fmt::format("{}: model_type is {}, whose DiT {} audio, and the tensors of {} say otherwise", path.string(),
                        found.variant->task, found.variant->takes_audio() ? "takes" : "takes no",
                        file.file().path().string()));
  } else {
    refuse_others(reader, json);
    found.variant = &variant_by_channels(c, file.file().path().string());
  }
  require(found.variant->takes_driving_video() == (c.animate.face_blocks > 0),
          fmt::format("{}: a model {} a driving video by it, and the tensors of {} say otherwise", path.string(),
                      found.variant->takes_driving_video() ? "of" : "without", file.file().path().string()));
  c.patch = found.variant->dit.patch;
  double eps = c.eps;
  if (c.num_heads > 0) check_size(reader, spelling.heads, c.num_heads);
  reader.read(spelling.heads, c.num_heads, kHeads);
  reader.read("text_len", c.text_len, kTextLengths);
  reader.read("eps", eps, kEps);
  c.eps = static_cast<float>(eps);
  check_sizes(reader, spelling, c);
  if (found.variant->takes_audio() && official) read_speech(reader, c);
  if (found.variant->takes_driving_video() && official) read_animate(reader, c);
  if (found.variant->takes_audio() && !official) assume_speech(*found.variant, c, path.string());
  if (c.freq_dim % 2 != 0) throw reader.error("field 'freq_dim' must be even: sines and cosines");
  if (c.num_heads == 0) throw reader.error(fmt::format("field '{}' is missing", spelling.heads));
  require_even_heads(c, path.string(), spelling.heads);
  return found;
}

DitIdentity identify_alone(const WeightFile& file) {
  const std::string where = file.file().path().string();
  DitIdentity found{nullptr, file.sizes().dit, {}};
  DitConfig& c = found.config;
  found.variant = &variant_by_channels(c, where);
  c.patch = found.variant->dit.patch;
  if (found.variant->takes_audio()) assume_speech(*found.variant, c, where);
  if (c.num_heads > 0) {
    require_even_heads(c, where, "the number of heads by its norms");
    found.evidence = "norms of its heads";
    return found;
  }
  const auto& metadata = file.file().metadata();
  if (const auto said = metadata.find(kGgufHeads); said != metadata.end()) {
    const std::string& text = said->second;
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, c.num_heads);
    require(read.ec == std::errc{} && read.ptr == end && kHeads.hold(c.num_heads),
            fmt::format("{}: {} is '{}', expected 1 to {}", where, kGgufHeads, printable(text), kHeads.most));
    require_even_heads(c, where, kGgufHeads);
    found.evidence = kGgufHeads;
    return found;
  }
  require(c.dim % kPublishedHeadDim == 0,
          fmt::format("{}: nothing tells the number of heads of its width {}, which is no multiple of {}: put the "
                      "model's config.json beside it, with num_heads",
                      where, c.dim, kPublishedHeadDim));
  c.num_heads = c.dim / kPublishedHeadDim;
  found.evidence = fmt::format("{} a head, as the published models have", kPublishedHeadDim);
  return found;
}

}  // namespace

DitIdentity identify_dit(const WeightFile& file, const std::filesystem::path& config) {
  std::error_code unknown;
  const bool there = std::filesystem::exists(config, unknown);
  return there ? read_config(file, config) : identify_alone(file);
}

bool is_told_by_tensors(const DitConfig& config) {
  const DitConfig usual;
  return config.num_heads * kPublishedHeadDim == config.dim && config.text_len == usual.text_len &&
         config.eps == usual.eps;
}

DitIdentity identify_dit(const WeightFile& file) {
  return identify_dit(file, file.file().path().parent_path() / "config.json");
}

}  // namespace wan
