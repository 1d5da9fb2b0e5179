#include "decide.h"

#include <arpa/inet.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr uint8_t kUS = 1, kEEA = 2, kROW = 4;
constexpr int16_t kNotAsked = -1;

constexpr size_t Index(char first, char second) { return (first - 'A') * 26 + (second - 'A'); }

std::array<uint8_t, 26 * 26> MakeHomes() {
  std::array<uint8_t, 26 * 26> homes;
  homes.fill(kROW);
  for (const char *c : {"US", "PR", "GU", "VI", "AS", "MP", "UM"}) homes[Index(c[0], c[1])] = kUS;
  for (const char *c : {"AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "AX", "FR", "GF", "GP", "MQ", "YT", "RE", "MF", "DE",
                        "GR", "HU", "IE", "IT", "LV", "LT", "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE", "IS", "LI", "NO"}) {
    homes[Index(c[0], c[1])] = kEEA;
  }
  return homes;
}

const std::array<uint8_t, 26 * 26> kHomes = MakeHomes();

bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }

uint8_t HomeOfCountry(std::string_view code) {
  if (code.size() != 2 || !IsUpper(code[0]) || !IsUpper(code[1])) return kROW;
  return kHomes[Index(code[0], code[1])];
}

}  // namespace

Decider::Decider(const std::string &geo) {
  const int status = MMDB_open(geo.c_str(), MMDB_MODE_MMAP, &geo_);
  if (status != MMDB_SUCCESS) {
    fprintf(stderr, "open geo database %s: %s\n", geo.c_str(), MMDB_strerror(status));
    exit(1);
  }
  homes_.assign(geo_.data_section_size, kNotAsked);
}

Decider::~Decider() { MMDB_close(&geo_); }

::Sink Decider::Sink(const void *value, size_t size) {
  uint8_t homes = 0;
  std::string_view ip;
  if (value == nullptr || !Signals(value, size, &homes, &ip)) return ::Sink::kQuarantine;
  const uint8_t seen = Home(ip);
  if (seen == 0) return ::Sink::kQuarantine;
  homes |= seen;
  return homes & kUS ? ::Sink::kUS : homes & kEEA ? ::Sink::kEEA : ::Sink::kROW;
}

bool Decider::Signals(const void *value, size_t size, uint8_t *region, std::string_view *ip) {
  if (padded_.size() < size + simdjson::SIMDJSON_PADDING) padded_.resize(size + simdjson::SIMDJSON_PADDING);
  memcpy(padded_.data(), value, size);
  simdjson::ondemand::document doc;
  if (parser_.iterate(padded_.data(), size, padded_.size()).get(doc)) return false;
  simdjson::ondemand::object root, user, network;
  if (doc.get_object().get(root)) return false;
  simdjson::ondemand::value found;
  if (!root.find_field_unordered("user").get_object().get(user) && !user.find_field_unordered("verified_region").get(found)) {
    std::string_view code;
    *region = found.get_string().get(code) ? kROW : HomeOfCountry(code);
  }
  return !root.find_field_unordered("network").get_object().get(network) && !network.find_field_unordered("ip").get_string().get(*ip);
}

uint8_t Decider::Home(std::string_view ip) {
  char text[INET6_ADDRSTRLEN];
  if (ip.size() >= sizeof text) return 0;
  memcpy(text, ip.data(), ip.size());
  text[ip.size()] = 0;
  if (memchr(text, 0, ip.size()) != nullptr) return 0;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  const sockaddr *address;
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    address = reinterpret_cast<const sockaddr *>(&v4);
  } else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      memcpy(&v4.sin_addr, v6.sin6_addr.s6_addr + 12, 4);
      v4.sin_family = AF_INET;
      address = reinterpret_cast<const sockaddr *>(&v4);
    } else {
      v6.sin6_family = AF_INET6;
      address = reinterpret_cast<const sockaddr *>(&v6);
    }
  } else {
    return 0;
  }
  int status;
  MMDB_lookup_result_s result = MMDB_lookup_sockaddr(&geo_, address, &status);
  if (status != MMDB_SUCCESS || !result.found_entry) return 0;
  int16_t &home = homes_[result.entry.offset];
  if (home == kNotAsked) home = HomeOf(result.entry);
  return home;
}

uint8_t Decider::HomeOf(const MMDB_entry_s &entry) {
  MMDB_entry_data_s code;
  MMDB_entry_s at = entry;
  const int status = MMDB_get_value(&at, &code, "country", "iso_code", nullptr);
  if (status != MMDB_SUCCESS || !code.has_data || code.type != MMDB_DATA_TYPE_UTF8_STRING || code.data_size == 0) return 0;
  return HomeOfCountry({code.utf8_string, code.data_size});
}
