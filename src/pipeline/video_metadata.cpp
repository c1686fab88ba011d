#include "pipeline/video_metadata.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/build_info.h"
#include "base/hash.h"
#include "base/json_parse.h"
#include "base/json_reader.h"
#include "pipeline/decisions.h"
#include "pipeline/request_json.h"
#include "pipeline/request_options.h"
#include "pipeline/video_info.h"

namespace wan {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostText = size_t{1} << 20;  // of the whole document
constexpr size_t kMostName = 4096;             // of names, in bytes
constexpr size_t kMostWeights = 1000;
constexpr Bounds<uint64_t> kFileBytes{0, uint64_t{1} << 50};
constexpr Bounds<double> kRates{0, 1000};

Json json_of(const InputFile& file) { return {{"name", file.name}, {"sha256", file.sha256}}; }

Json json_of(const std::vector<WeightIdentity>& weights) {
  Json list = Json::array();
  for (const WeightIdentity& file : weights) {
    list.push_back({{"component", file.component},
                    {"file", file.file},
                    {"size_bytes", file.size_bytes},
                    {"digest", file.digest},
                    {"digest_kind", kEdgeDigest}});
    if (file.strength) list.back()["strength"] = *file.strength;
  }
  return list;
}

/// The identity of weights for a file that outlives them: none is better than no video.
std::vector<WeightIdentity> weights_now(const Request& request) {
  try {
    const WeightChoice weights = request.weights();
    return request.random_weights ? identify_loras(weights.loras) : identify_weights(weights);
  } catch (const Error&) {
    return {};
  }
}

/// One object within the document, and where it stands.
class Part {
 public:
  Part(JsonReader& outer, const char* key, const std::string& where)
      : where_(fmt::format("{}: {}", where, key)), found_(outer.find(key)) {
    if (found_ == nullptr) throw outer.error(fmt::format("field '{}' is missing", key));
    reader_.emplace(*found_, where_);
  }
  JsonReader& operator*() { return *reader_; }
  JsonReader* operator->() { return &*reader_; }
  const std::string& where() const { return where_; }

 private:
  std::string where_;
  const Json* found_;
  std::optional<JsonReader> reader_;
};

std::string read_name(JsonReader& reader, const char* key) {
  std::string name;
  reader.read(key, name);
  if (name.size() > kMostName) throw reader.error(fmt::format("field '{}' is longer than {} bytes", key, kMostName));
  return name;
}

std::string read_sha256(JsonReader& reader, const char* key) {
  constexpr size_t kDigits = 64;
  std::string digest = read_name(reader, key);
  if (digest.size() != kDigits || digest.find_first_not_of("0123456789abcdef") != std::string::npos)
    throw reader.error(fmt::format("field '{}' must be {} hexadecimal digits, found '{}'", key, kDigits, digest));
  return digest;
}

std::optional<InputFile> read_input(JsonReader& files, const char* key, const std::string& where) {
  if (files.find(key) == nullptr) return std::nullopt;
  Part file(files, key, where);
  return InputFile{read_name(*file, "name"), read_sha256(*file, "sha256")};
}

std::vector<WeightIdentity> read_weights(JsonReader& model, const std::string& where) {
  Json list = Json::array();
  model.read("weights", list);
  if (!list.is_array() || list.size() > kMostWeights)
    throw model.error(fmt::format("field 'weights' must be a list of at most {} files", kMostWeights));
  std::vector<WeightIdentity> weights;
  for (const Json& item : list) {
    JsonReader reader(item, where + ": weights");
    WeightIdentity file{read_name(reader, "component"), read_name(reader, "file"), 0, read_sha256(reader, "digest")};
    reader.read("size_bytes", file.size_bytes, kFileBytes);
    reader.read("strength", file.strength, kLoraStrength);
    weights.push_back(std::move(file));
  }
  return weights;
}

void check_schema(JsonReader& document, const std::string& where) {
  if (document.find("schema") == nullptr)
    throw document.error(
        "says nothing in the form of wanbench (wanbench.video): an earlier version or another program "
        "made it, and what it was made of is not known whole");
  Part schema(document, "schema", where);
  int64_t major = 0;
  const std::string name = read_name(*schema, "name");
  schema->read("major", major);
  if (name != kVideoSchema) throw document.error(fmt::format("is a '{}', expected {}", name, kVideoSchema));
  if (major != kVideoMajor)
    throw document.error(fmt::format("has version {} of {}, this program reads {}: take a newer wanbench", major,
                                     kVideoSchema, kVideoMajor));
}

void read_sizes(JsonReader& video, VideoMetadata& into) {
  constexpr Bounds<int64_t> kAny{0, 1'000'000};
  video.read("width", into.width, kAny);
  video.read("height", into.height, kAny);
  video.read("num_frames", into.num_frames, kAny);
  video.read("fps", into.fps, kRates);
  into.frames_sha256 = read_sha256(video, "frames_sha256");
}

}  // namespace

VideoMetadata video_metadata(const Request& request, const Plan& plan, std::optional<InputFile> image,
                             std::optional<InputFile> last_image, std::optional<InputFile> initial_latent,
                             std::string frames_sha256) {
  const BuildInfo& build = build_info();
  VideoMetadata metadata;
  metadata.request = video_request(request, plan);
  metadata.image = std::move(image);
  metadata.last_image = std::move(last_image);
  metadata.initial_latent = std::move(initial_latent);
  if (!plan.step_cache.curve_sha256.empty())
    metadata.cache_curve = InputFile{request.cache_curve.filename().string(), plan.step_cache.curve_sha256};
  metadata.task = plan.variant->task;
  metadata.model = plan.model;
  metadata.weights = weights_now(request);
  metadata.version = build.version;
  metadata.git_commit = build.revision;
  metadata.git_dirty = build.dirty;
  metadata.device = plan.device.substr(0, plan.device.find(':'));
  metadata.device_name = plan.device_name;
  metadata.kernel_table = plan.kernel_table;
  metadata.width = plan.width;
  metadata.height = plan.height;
  metadata.num_frames = plan.num_frames;
  metadata.fps = plan.fps;
  metadata.frames_sha256 = std::move(frames_sha256);
  return metadata;
}

std::string to_json(const VideoMetadata& m) {
  Json files = Json::object();
  if (m.image) files["image"] = json_of(*m.image);
  if (m.last_image) files["last_image"] = json_of(*m.last_image);
  if (m.initial_latent) files["initial_latent"] = json_of(*m.initial_latent);
  if (m.audio) files["audio"] = json_of(*m.audio);
  if (m.pose_video) files["pose_video"] = json_of(*m.pose_video);
  if (m.animate_inputs) files["animate_inputs"] = json_of(*m.animate_inputs);
  if (m.cache_curve) files["cache_curve"] = json_of(*m.cache_curve);
  const Json document = {
      {"schema", {{"name", kVideoSchema}, {"major", kVideoMajor}, {"minor", kVideoMinor}}},
      {"request", Json::parse(video_request_json(m.request))},
      {"files", files},
      {"model", {{"task", m.task}, {"name", m.model}, {"weights", json_of(m.weights)}}},
      {"tool",
       {{"name", "wanbench"}, {"version", m.version}, {"git_commit", m.git_commit}, {"git_dirty", m.git_dirty}}},
      {"device", {{"kind", m.device}, {"name", m.device_name}, {"kernel_table", m.kernel_table}}},
      {"video",
       {{"width", m.width},
        {"height", m.height},
        {"num_frames", m.num_frames},
        {"fps", m.fps},
        {"frames_sha256", m.frames_sha256}}}};
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

VideoMetadata video_metadata_from_json(std::string_view text, const std::string& where) {
  require(text.size() <= kMostText,
          fmt::format("{}: has {} bytes; {} at most are read", where, text.size(), kMostText));
  const Json json = parse_json(text, where);
  JsonReader document(json, where);
  check_schema(document, where);
  VideoMetadata metadata;
  Part request(document, "request", where), files(document, "files", where), model(document, "model", where),
      tool(document, "tool", where), device(document, "device", where), video(document, "video", where);
  read_video_request(*request, metadata.request);
  request->refuse_unknown();
  metadata.image = read_input(*files, "image", files.where());
  metadata.last_image = read_input(*files, "last_image", files.where());
  metadata.initial_latent = read_input(*files, "initial_latent", files.where());
  metadata.audio = read_input(*files, "audio", files.where());
  metadata.pose_video = read_input(*files, "pose_video", files.where());
  metadata.animate_inputs = read_input(*files, "animate_inputs", files.where());
  metadata.cache_curve = read_input(*files, "cache_curve", files.where());
  metadata.task = read_name(*model, "task");
  metadata.model = read_name(*model, "name");
  metadata.weights = read_weights(*model, model.where());
  metadata.version = read_name(*tool, "version");
  metadata.git_commit = read_name(*tool, "git_commit");
  tool->read("git_dirty", metadata.git_dirty);
  metadata.device = read_name(*device, "kind");
  metadata.device_name = read_name(*device, "name");
  metadata.kernel_table = read_name(*device, "kernel_table");
  read_sizes(*video, metadata);
  return metadata;
}

}  // namespace wan
