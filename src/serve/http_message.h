// One request and one answer of HTTP, as the routes see them: what the bytes on the socket are is http_server.h's.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace wan::serve {

/// All but the body. Names of headers are in small letters; of one that is there twice the first counts.
struct HttpHead {
  std::string method, path;                  // "/v1/videos", without the query
  std::map<std::string, std::string> query;  // decoded
  std::map<std::string, std::string, std::less<>> headers;

  /// Empty where there is none.
  std::string_view header(std::string_view name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string_view() : std::string_view(found->second);
  }
};

struct HttpRequest {
  HttpHead head;
  std::string body;
};

/// Bytes of a file, from the first on. The file is opened when the answer is made: what happens to its name meanwhile
/// does not matter.
struct FileBody {
  std::filesystem::path file;
  uint64_t first = 0, length = 0;
};

/// What a stream has to say now.
struct StreamStep {
  std::string text;
  bool is_over = false;
};

/// An answer that goes on: asked again whenever something changed, and while nothing does from time to time.
struct EventStream {
  std::function<StreamStep()> next;
};

struct HttpResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::variant<std::string, FileBody, EventStream> body;
};

/// %41 as A. What is no percent-encoding is left as it is.
std::string percent_decoded(std::string_view text);

/// "a=1&b=%20" as pairs; of one name the last counts.
std::map<std::string, std::string> parse_query(std::string_view query);

/// The bytes that a Range header asks of a body of `size` bytes.
struct ByteRange {
  uint64_t first = 0, length = 0;
};
enum class RangeKind { kWhole, kPart, kUnsatisfiable };
struct RangeAnswer {
  RangeKind kind = RangeKind::kWhole;
  ByteRange range;
};
/// One range is answered; several, other units and what cannot be read are ignored, as RFC 9110 section 14.2 allows.
RangeAnswer parse_range(std::string_view header, uint64_t size);

}  // namespace wan::serve
