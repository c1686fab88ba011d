// Curves of magnitude ratios, by which the step cache knows ahead which steps differ little from the one before: those
// that come with the program, files of others, and those that `wanbench calibrate-cache` makes. The document is
// described in docs/formats.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/solver.h"
#include "sampler/forward_schedule.h"

namespace wan {

inline constexpr std::string_view kCurveSchema = "wanbench.cache_curve";
inline constexpr int kCurveMajor = 1, kCurveMinor = 0;

struct CacheCurve {
  std::string model;        // Plan::model
  bool from_image = false;  // of videos that begin with an image
  std::optional<double> shift;
  Solver solver = Solver::kUniPC;
  std::optional<int64_t> low_noise_from_step;  // Plan::low_noise_from_step, of its own steps
  /// What its makers state for it.
  ReuseSettings settings;
  std::vector<std::string> experts;  // whose steps may be reused; empty: all
  MagnitudeRatios ratios;
  /// Who made it of what: words by their names, as "repository", "licence".
  std::vector<std::pair<std::string, std::string>> source;

  std::string sha256;  // of its text
  bool operator==(const CacheCurve&) const = default;
};

/// Reads a text that may come from anybody: of at most a MiB, with 2 to kMaxSteps steps, ratios from 0 to 1000, as many
/// of each branch as there are steps. Throws Error(kInput) that begins with `where` and names the field, what was
/// expected and what was found.
CacheCurve cache_curve_from_json(std::string_view text, const std::string& where);

/// Of a file, likewise.
CacheCurve read_cache_curve(const std::filesystem::path& file);

/// The text that the reader takes, but for `sha256`. Ratios with five digits, as the published ones have them.
std::string to_json(const CacheCurve& curve);

/// The curve that comes with the program; nothing where there is none for the model.
std::optional<CacheCurve> builtin_curve(std::string_view model, bool from_image);

/// Texts of those that come with the program, by the names of their files.
struct BuiltinCurve {
  std::string_view name, text;
};
std::vector<BuiltinCurve> builtin_curves();

}  // namespace wan
