#include "analysis/published.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "analysis/table_head.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_parse.h"
#include "base/json_reader.h"

namespace wan {
namespace {

using Json = nlohmann::json;

constexpr Bounds<double> kSeconds{0, 1e6};
constexpr Bounds<int64_t> kExtent{1, 1'000'000};
constexpr Bounds<uint64_t> kBytes{0, uint64_t{1} << 44};

/// Hands each object of a list to `add`.
template <class Add>
void read_list(JsonReader& reader, const char* key, const std::string& where, Add add) {
  const Json* list = reader.find(key);
  if (list == nullptr || !list->is_array()) throw reader.error(fmt::format("field '{}' must be a list", key));
  for (size_t i = 0; i < list->size(); ++i) {
    JsonReader one((*list)[i], fmt::format("{}: {} {}", where, key, i + 1));
    add(one);
    one.refuse_unknown();
  }
}

PublishedPeak read_peak(JsonReader& reader) {
  PublishedPeak peak;
  reader.read("residency", peak.residency);
  reader.read("text_encoder", peak.text_encoder);
  reader.read("stored_as", peak.stored_as);
  reader.read("lowest_bytes", peak.lowest_bytes, kBytes);
  reader.read("highest_bytes", peak.highest_bytes, kBytes);
  return peak;
}

PublishedVideo read_video(JsonReader& reader, const std::string& where) {
  PublishedVideo video;
  reader.read("model", video.model);
  reader.read("width", video.width, kExtent);
  reader.read("height", video.height, kExtent);
  reader.read("num_frames", video.num_frames, kExtent);
  reader.read("recipe", video.recipe);
  reader.read("steps", video.steps, kExtent);
  reader.read("text_s", video.text_s, kSeconds);
  reader.read("image_s", video.image_s, kSeconds);
  reader.read("step_s", video.step_s, kSeconds);
  reader.read("copy_s", video.copy_s, kSeconds);
  reader.read("decode_s", video.decode_s, kSeconds);
  reader.read("runs", video.runs, kExtent);
  reader.read("pages", video.pages);
  read_list(reader, "peaks", where, [&](JsonReader& peak) { video.peaks.push_back(read_peak(peak)); });
  return video;
}

}  // namespace

std::vector<PublishedCard> load_published(const std::filesystem::path& file) {
  const std::string where = file.string();
  const Json json = parse_json(read_text(file, uint64_t{1} << 20), where);
  JsonReader table(json, where);
  require_table(table, where, "wanbench.published");
  std::vector<PublishedCard> cards;
  read_list(table, "cards", where, [&](JsonReader& reader) {
    PublishedCard& card = cards.emplace_back();
    reader.read("device", card.device);
    read_list(reader, "videos", where + ": " + card.device,
              [&](JsonReader& video) { card.videos.push_back(read_video(video, where + ": " + card.device)); });
  });
  return cards;
}

const PublishedCard* find_published(const std::vector<PublishedCard>& cards, const std::vector<CardPeak>& peaks,
                                    const CardPeak& peak) {
  for (const PublishedCard& card : cards)
    if (find_peak(peaks, card.device) == &peak) return &card;
  return nullptr;
}

}  // namespace wan
