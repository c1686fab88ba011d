#include "serve/api.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/checked_number.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "serve/api_error.h"
#include "serve/metrics.h"
#include "serve/page.h"
#include "serve/video_json.h"

namespace wan::serve {
namespace {

constexpr uint64_t kSmallBody = 4096;  // of requests that need none
constexpr size_t kMostKeyBytes = 256;  // of an Idempotency-Key
constexpr int64_t kMostListed = 100;
constexpr uint64_t kMostPreviewBytes = 1 << 20;  // of a PNG of at most 256 x 256 pixels
constexpr const char* kVideos = "/v1/videos";

/// Nothing that is shown runs or loads anything of anybody else.
constexpr const char* kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

HttpResponse with_type(int status, const char* type, std::string text) {
  HttpResponse response;
  response.status = status;
  response.headers = {{"Content-Type", type},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Cache-Control", "no-store"},
                      {"Server", "wanbench"}};
  response.body = std::move(text);
  return response;
}

HttpResponse json_answer(int status, const OrderedJson& json) {
  return with_type(status, "application/json", text_of(json) + "\n");
}

HttpResponse page_answer(const char* type, std::string_view text) {
  HttpResponse response = with_type(200, type, std::string(text));
  response.headers.emplace_back("Content-Security-Policy", kPagePolicy);
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  return response;
}

/// The name in "name:port" or "[::1]:port".
std::string_view name_of(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, std::min(host.find(']') + 1, host.size()));
  return host.substr(0, host.find(':'));
}

bool needs_no_key(const HttpHead& head) {
  return head.path == "/" || head.path == "/page.js" || head.path == "/page.css" || head.path == "/health" ||
         head.path == "/ready";
}

/// "/v1/videos/ID/what" as ID and what.
std::optional<std::pair<std::string, std::string>> video_path(const std::string& path) {
  const std::string prefix = std::string(kVideos) + "/";
  if (!path.starts_with(prefix)) return std::nullopt;
  const std::string rest = path.substr(prefix.size());
  const size_t slash = std::min(rest.find('/'), rest.size());
  return std::pair(rest.substr(0, slash), slash < rest.size() ? rest.substr(slash + 1) : std::string());
}

[[noreturn]] void refuse_method(const HttpHead& head, const std::string& allowed) {
  throw ApiError(405, "method_not_allowed", fmt::format("{} is not known here", head.method), "use " + allowed);
}

void require_get(const HttpHead& head) {
  if (head.method != "GET" && head.method != "HEAD") refuse_method(head, "GET");
}

std::string reason_of(int status) {
  switch (status) {
    case 400: return "bad_request";
    case 413: return "too_large";
    case 417: return "expectation_failed";
    case 431: return "headers_too_long";
    case 503: return "overloaded";
    default: return "internal_error";
  }
}

}  // namespace

Api::Api(VideoService& service, const ApiKeys& keys, std::vector<std::string> own_names)
    : service_(service), keys_(keys), own_names_(std::move(own_names)) {
  for (const char* own : {"127.0.0.1", "localhost", "[::1]"}) own_names_.emplace_back(own);
}

int64_t Api::retry_after_s() const {
  const ServiceTotals sums = service_.totals();
  constexpr int64_t kDefault = 10, kMost = 3600;
  if (sums.completed == 0) return kDefault;
  return std::clamp<int64_t>(static_cast<int64_t>(sums.service_s / static_cast<double>(sums.completed)), 1, kMost);
}

HttpResponse Api::refused(const ApiError& error) {
  HttpResponse response = json_answer(error.status(), error_json(error));
  if (error.status() == 429 || error.status() == 503)
    response.headers.emplace_back("Retry-After", std::to_string(retry_after_s()));
  if (error.status() == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

HttpResponse Api::refusal(int status, const std::string& message) {
  return refused(ApiError(status, reason_of(status), message));
}

/// Before a body is read: whose request it is, and whether another site's page sent it. A page of another name that
/// points at this machine (DNS rebinding) is known by its Host, one that sends a form here by its Origin.
std::optional<HttpResponse> Api::refuse(const HttpHead& head) {
  const std::string_view host = head.header("host");
  if (!keys_.are_needed() && std::ranges::find(own_names_, name_of(host)) == own_names_.end())
    return refused(ApiError(403, "unknown_host", "without API keys this server answers to its own address alone",
                            "use http://127.0.0.1, or start it with --api-keys FILE"));
  const std::string_view origin = head.header("origin");
  if (!origin.empty() && origin != fmt::format("http://{}", host) && origin != fmt::format("https://{}", host))
    return refused(ApiError(403, "foreign_origin", "pages of other sites may not use this server"));
  if (!needs_no_key(head) && !keys_.allow(head.header("authorization")))
    return refused(ApiError(401, "invalid_api_key", "this server needs an API key",
                            "send Authorization: Bearer KEY, with a key of its --api-keys file"));
  return std::nullopt;
}

uint64_t Api::body_limit(const HttpHead& head) {
  return head.path == kVideos && head.method == "POST" ? order_bytes(service_.options().limits) : kSmallBody;
}

HttpResponse Api::answer(const HttpRequest& request) {
  try {
    return route(request);
  } catch (const ApiError& error) {
    HttpResponse response = refused(error);
    if (error.status() == 405) response.headers.emplace_back("Allow", error.advice().substr(4));
    return response;
  } catch (const Error& problem) {
    log::error(fmt::format("{} {}: {}", request.head.method, request.head.path, problem.what()));
    return refused(ApiError(500, "internal_error", "the server failed; its log says why"));
  }
}

HttpResponse Api::route(const HttpRequest& request) {
  const HttpHead& head = request.head;
  if (head.path == kVideos) {
    if (head.method == "POST") return create(request);
    if (head.method != "GET" && head.method != "HEAD") refuse_method(head, "GET, POST");
    return list(head);
  }
  if (const auto video = video_path(head.path)) return of_video(head, video->first, video->second);
  const bool is_known = needs_no_key(head) || head.path == "/metrics" || head.path.starts_with("/v1/models");
  if (!is_known)
    throw ApiError(404, "unknown_path", "nothing is at this path",
                   "see /v1/videos, /v1/models, /health, /ready, /metrics and the page at /");
  require_get(head);
  if (head.path == "/") return page_answer("text/html; charset=utf-8", page_html());
  if (head.path == "/page.js") return page_answer("text/javascript; charset=utf-8", page_script());
  if (head.path == "/page.css") return page_answer("text/css; charset=utf-8", page_style());
  if (head.path == "/health") return json_answer(200, {{"status", "ok"}});
  if (head.path == "/ready") return ready();
  if (head.path == "/metrics") return metrics();
  const OrderedJson model = model_json(service_.options().model);
  if (head.path == "/v1/models") return json_answer(200, {{"object", "list"}, {"data", OrderedJson::array({model})}});
  if (head.path == "/v1/models/" + service_.options().model.name) return json_answer(200, model);
  throw ApiError(404, "model_not_found", "no model has this name", "GET /v1/models lists those there are");
}

HttpResponse Api::create(const HttpRequest& request) {
  const std::string key(request.head.header("idempotency-key"));
  if (key.size() > kMostKeyBytes)
    throw ApiError(400, "invalid_value",
                   fmt::format("Idempotency-Key has {} bytes, at most {} are taken", key.size(), kMostKeyBytes));
  const ServiceOptions& options = service_.options();
  const Submitted submitted = service_.submit(read_order(request, options.model, options.limits), key);
  HttpResponse response = json_answer(200, video_json(submitted.video, options));
  response.headers.emplace_back("Location", fmt::format("{}/{}", kVideos, submitted.video.job.id));
  if (!submitted.is_new) response.headers.emplace_back("Idempotent-Replayed", "true");
  return response;
}

HttpResponse Api::list(const HttpHead& head) {
  JobFilter filter;
  for (const auto& [name, value] : head.query) {
    if (name == "after") {
      filter.after = value;
    } else if (name == "limit") {
      const Bounds<int64_t> bounds{1, kMostListed};
      const auto limit = checked_number<int64_t>(value, bounds);
      if (!limit) throw ApiError(400, "invalid_value", "limit must be " + describe(bounds), "", "limit");
      filter.limit = *limit;
    } else if (name == "order") {
      if (value != "asc" && value != "desc")
        throw ApiError(400, "invalid_value", "order must be asc or desc", "", "order");
      filter.newest_first = value == "desc";
    } else {
      throw ApiError(400, "unknown_field", "the list takes after, limit and order alone");
    }
  }
  const auto [videos, has_more] = service_.list(filter);
  OrderedJson data = OrderedJson::array();
  for (const VideoView& video : videos) data.push_back(video_json(video, service_.options()));
  const auto id_of = [&](const VideoView& video) { return OrderedJson(video.job.id); };
  return json_answer(200, {{"object", "list"},
                           {"data", std::move(data)},
                           {"first_id", videos.empty() ? OrderedJson(nullptr) : id_of(videos.front())},
                           {"last_id", videos.empty() ? OrderedJson(nullptr) : id_of(videos.back())},
                           {"has_more", has_more}});
}

HttpResponse Api::of_video(const HttpHead& head, const std::string& id, const std::string& what) {
  if (what.empty() && head.method == "DELETE") {
    service_.remove(id);
    return json_answer(200, {{"id", id}, {"object", "video.deleted"}, {"deleted", true}});
  }
  if (what == "cancel") {
    if (head.method != "POST") refuse_method(head, "POST");
    return json_answer(200, video_json(service_.cancel(id), service_.options()));
  }
  const bool is_known = what.empty() || what == "content" || what == "events" || what == "preview";
  if (!is_known)
    throw ApiError(404, "unknown_path", "a video has content, preview, events and cancel",
                   "see the path that was sent");
  if (head.method != "GET" && head.method != "HEAD") refuse_method(head, what.empty() ? "GET, DELETE" : "GET");
  if (what == "content") return content(head, id);
  if (what == "events") return events(id);
  if (what == "preview") return preview(id);
  return json_answer(200, video_json(service_.view(id), service_.options()));
}

HttpResponse Api::content(const HttpHead& head, const std::string& id) {
  const VideoView video = service_.view(id);
  const auto asked = head.query.find("variant");
  const std::string variant = asked == head.query.end() ? "video" : asked->second;
  std::filesystem::path file;
  if (variant == "video")
    file = service_.files().video(id);
  else if (variant == "poster" || variant == "thumbnail")
    file = service_.files().poster(id);
  else if (variant == "last_frame")
    file = service_.files().last_frame(id);
  else
    throw ApiError(400, "invalid_value", "variant must be video, poster or last_frame", "", "variant");
  if (video.job.state != JobState::kCompleted)
    throw ApiError(409, video.job.is_over() ? "video_is_not_there" : "video_not_ready",
                   fmt::format("the video is {}", enum_name(video.job.state)),
                   video.job.is_over() ? "its document says why: GET /v1/videos/ID" : "wait for status completed");
  std::error_code missing;
  const uint64_t size = std::filesystem::file_size(file, missing);
  if (missing) throw Error(fmt::format("{}: {}", file.string(), missing.message()));
  const bool is_video = variant == "video";
  HttpResponse response = with_type(200, is_video ? "video/mp4" : "image/png", "");
  const std::string tag = fmt::format("\"{}-{}\"", id, variant);
  const std::string_view condition = head.header("if-range");
  const RangeAnswer range = condition.empty() || condition == tag ? parse_range(head.header("range"), size)
                                                                  : RangeAnswer{RangeKind::kWhole, {0, size}};
  if (range.kind == RangeKind::kUnsatisfiable) {
    HttpResponse none = refused(ApiError(416, "range_not_satisfiable", fmt::format("the file has {} bytes", size)));
    none.headers.emplace_back("Content-Range", fmt::format("bytes */{}", size));
    return none;
  }
  if (range.kind == RangeKind::kPart) {
    response.status = 206;
    response.headers.emplace_back("Content-Range", fmt::format("bytes {}-{}/{}", range.range.first,
                                                               range.range.first + range.range.length - 1, size));
  }
  response.headers.emplace_back("Accept-Ranges", "bytes");
  response.headers.emplace_back("ETag", tag);
  response.headers.emplace_back("Content-Disposition",
                                fmt::format("inline; filename=\"{}\"", file.filename().string()));
  response.body = FileBody{file, range.range.first, range.range.length};
  return response;
}

/// What the video looks like by now, roughly.
HttpResponse Api::preview(const std::string& id) {
  const VideoView video = service_.view(id);
  try {
    if (video.live && video.live->preview_step())  // whole, since the next one takes its place
      return with_type(200, "image/png", read_text(service_.files().preview(id), kMostPreviewBytes));
  } catch (const Error&) {
    // It went when the video was over.
  }
  throw ApiError(404, "no_preview", fmt::format("the video is {} and has no preview now", enum_name(video.job.state)),
                 "there is one from the end of its first step until it is over: see preview_step");
}

/// The document of the video whenever it changes, until it is over.
HttpResponse Api::events(const std::string& id) {
  service_.view(id);  // an unknown one is refused before the stream begins
  HttpResponse response = with_type(200, "text/event-stream", "");
  response.headers.emplace_back("X-Accel-Buffering", "no");
  response.body = EventStream{
      [this, id, last = std::string(), seen = std::optional<std::pair<uint64_t, uint64_t>>()]() mutable -> StreamStep {
        const auto version = service_.version(id);
        if (seen == version) return {};
        seen = version;
        std::string text;
        bool is_over = false;
        try {
          const VideoView video = service_.view(id);
          is_over = video.job.is_over();
          text = text_of(video_json(video, service_.options()));
        } catch (const ApiError&) {
          return {fmt::format("event: deleted\ndata: {{\"id\":\"{}\"}}\n\n", id), true};
        }
        if (text == last && !is_over) return {};
        last = text;
        return {fmt::format("event: {}\ndata: {}\n\n", is_over ? "done" : "progress", text), is_over};
      }};
  return response;
}

HttpResponse Api::ready() {
  const std::optional<std::string> reason = service_.not_ready();
  HttpResponse response = json_answer(
      reason ? 503 : 200,
      {{"status", reason ? "not_ready" : "ready"}, {"reason", reason ? OrderedJson(*reason) : OrderedJson(nullptr)}});
  if (reason) response.headers.emplace_back("Retry-After", "5");
  return response;
}

HttpResponse Api::metrics() {
  return with_type(200, "text/plain; version=0.0.4; charset=utf-8",
                   metrics_text(service_, counts_ ? counts_() : HttpCounts{}));
}

}  // namespace wan::serve
