DROP TABLE api_key;
DROP TABLE api_token;
