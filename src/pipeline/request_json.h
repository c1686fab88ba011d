// Requests as JSON objects: what a suite's case is written as, and what a child process is told.
#pragma once

#include <string>

#include "pipeline/request.h"

namespace wan {

class JsonReader;

/// Only what is given, so that a later option changes no old text. Two requests with the same text ask for the same
/// thing.
std::string request_json(const Request& request);

/// The same for people and other programs: a text that is no UTF-8 is written with replacement characters.
std::string shown_request_json(const Request& request);

/// The options that stand in videos alone, likewise: those that decide the pixels; shown as that is.
std::string video_request_json(const Request& request);

/// Inverse of `request_json`. Throws Error(kInput) naming the field.
Request request_from_json(const std::string& text);

/// Reads the fields of a request from an object that may have others. Throws Error(kInput) naming the field that is of
/// another type or not what it may be, and for guidance in both spellings.
void read_request(JsonReader& reader, Request& request);

/// The same of the options that stand in videos alone; others are left for the reader to refuse.
void read_video_request(JsonReader& reader, Request& request);

}  // namespace wan
