// What the published records measured, video by video: the table that tools/make_published.py makes of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "analysis/tables.h"

namespace wan {

/// GPU memory of one place of the weights, by the driver, over all runs.
struct PublishedPeak {
  std::string residency;     // of enum_name(Residency)
  std::string text_encoder;  // "cuda" or "cpu"
  std::string stored_as;     // of enum_name(StoredAs); "bf16" also of what is converted when it is loaded
  uint64_t lowest_bytes = 0, highest_bytes = 0;
};

/// Medians of one video; nothing where no run has the stage by itself.
struct PublishedVideo {
  std::string model;
  int64_t width = 0, height = 0, num_frames = 0;
  std::string recipe;
  int64_t steps = 0;
  std::optional<double> text_s, image_s, step_s, copy_s, decode_s;
  std::vector<PublishedPeak> peaks;
  int64_t runs = 0;
  std::vector<std::string> pages;  // folders of docs/results
};

struct PublishedCard {
  std::string device;  // as NVML names it
  std::vector<PublishedVideo> videos;
};

/// Reads suites/published.json. Throws Error(kInput) naming the file and the key.
std::vector<PublishedCard> load_published(const std::filesystem::path& file);

/// The card with records whose entry of the table of peaks is `peak`; nullptr if none.
const PublishedCard* find_published(const std::vector<PublishedCard>& cards, const std::vector<CardPeak>& peaks,
                                    const CardPeak& peak);

}  // namespace wan
