#include "cli/prompts_file.h"

#include <algorithm>
#include <concepts>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_parse.h"
#include "base/json_reader.h"
#include "base/utf8.h"
#include "pipeline/request_json.h"
#include "pipeline/request_options.h"

namespace wan::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

/// A path that the line itself has is taken from the folder of the file.
void place_paths(const Json& json, const fs::path& folder, Request& request) {
  request_options(
      [&](const Option& option, auto& member, const auto&) {
        if (json.contains(option.key)) place_in(folder, member);
      },
      request);
}

void refuse_outputs(const Json& json, const std::string& where) {
  const Request any;
  request_options(
      [&](const Option& option, const auto&, const auto&) {
        require(!option.is_output() || !json.contains(option.key),
                fmt::format("{}: field '{}' is not taken here: {} of the command line counts for all lines", where,
                            option.key, option.flag));
      },
      any);
}

Request request_of_object(std::string_view line, const std::string& where, const fs::path& folder, Request request) {
  const Json json = parse_json(line, where);
  JsonReader reader(json, where);
  refuse_outputs(json, where);
  read_request(reader, request);
  reader.refuse_unknown();
  require(!request.prompt.empty(), where + ": field 'prompt' is missing or empty: a line needs a prompt");
  place_paths(json, folder, request);
  return request;
}

PlannedVideo video_of_line(std::string_view line, const std::string& where, const fs::path& folder,
                           const Request& base) {
  require(line.size() <= kMostPromptLine,
          fmt::format("{}: the line has {} bytes; {} at most are read", where, line.size(), kMostPromptLine));
  const size_t invalid = find_invalid_utf8(line);
  require(invalid == std::string_view::npos,
          fmt::format("{}: byte {} of the line is not UTF-8: save the file as UTF-8", where, invalid));
  PlannedVideo video{where, base, false};
  if (line.starts_with('{')) {
    video.request = request_of_object(line, where, folder, base);
    video.has_own_seed = parse_json(line, where).contains("seed");
  } else {
    video.request.prompt = line;
  }
  return video;
}

void require_not_too_many(size_t count) {
  require(count <= kMostVideos,
          fmt::format("{} videos are asked for; {} at most are made by one command", count, kMostVideos),
          ErrorKind::kUsage);
}

}  // namespace

std::vector<PlannedVideo> read_prompts(const fs::path& file, const Request& base) {
  const std::string text = read_text(file, kMostPromptBytes);
  std::vector<PlannedVideo> videos;
  std::string_view rest = text;
  for (size_t number = 1; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty() || line.starts_with('#')) continue;
    require_not_too_many(videos.size() + 1);
    videos.push_back(video_of_line(line, fmt::format("{}:{}", file.string(), number), file.parent_path(), base));
  }
  require(!videos.empty(),
          fmt::format("{}: expected a prompt in each line, found none: blank lines and lines that begin with # are "
                      "passed over",
                      file.string()));
  return videos;
}

std::vector<PlannedVideo> with_seeds(const std::vector<PlannedVideo>& videos, const std::vector<uint64_t>& seeds) {
  if (seeds.empty()) return videos;
  require_not_too_many(videos.size() * seeds.size());
  std::vector<PlannedVideo> all;
  for (const PlannedVideo& video : videos) {
    require(!video.has_own_seed,
            fmt::format("{}: the line has a seed of its own, and --seeds has one for each line: leave one of them out",
                        video.where),
            ErrorKind::kUsage);
    for (const uint64_t seed : seeds) {
      all.push_back(video);
      all.back().request.seed = seed;
    }
  }
  return all;
}

}  // namespace wan::cli
