// The page around the data.
#include "report/html.h"

#include <array>

#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/gzip.h"
#include "report/assets.h"
#include "report/escape.h"
#include "report/html_data.h"

namespace wan::report {
namespace {

using Json = nlohmann::json;

/// What a case shows when its fold is opened: nine tenths of the data. Packed, it is unpacked by who opens it.
void pack_details(Json& data) {
  constexpr std::array kDetails{"scopes", "stages", "steps", "timeline", "roofline", "memory", "kernels"};
  for (Json& shown : data["cases"]) {
    Json details = Json::object();
    for (const char* key : kDetails)
      if (const auto found = shown.find(key); found != shown.end()) {
        details[key] = std::move(*found);
        shown.erase(found);
      }
    shown["details"] = details.empty() ? Json(nullptr) : Json(to_base64(gzip(text_of(details))));
  }
}

}  // namespace

std::string html_report(const ReportView& view, const HtmlOptions& options) {
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      // Nothing is fetched but videos beside the file, and no handler in markup can run.
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "script-src 'unsafe-inline'; script-src-attr 'none'; img-src data: blob:; media-src 'self' file:\">\n"
      "<title>Wan2.2 Benchmark Report</title>\n<style>\n";
  page += page_style();
  page +=
      "</style>\n</head>\n<body>\n<div id=\"report\"></div>\n"
      "<noscript><p>This page draws itself with a script. The same tables as text are in report.md beside it, and the "
      "numbers in results.csv.</p></noscript>\n<script type=\"application/json\" id=\"data\">";
  Json data = page_data(view, options);
  pack_details(data);
  page += script_safe(text_of(data));
  page += "</script>\n";
  if (!chart_library().empty()) {
    page += "<script>\n";
    page += chart_library();
    page += "\n</script>\n";
  }
  page += "<script>\n";
  page += page_script();
  page += "</script>\n</body>\n</html>\n";
  return page;
}

}  // namespace wan::report
