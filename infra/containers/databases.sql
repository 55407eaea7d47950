-- Run once by the postgres image on an empty volume: one database a service. Schemas are Alembic's.
CREATE DATABASE gateway;
CREATE DATABASE registry;
CREATE DATABASE crawler;
CREATE DATABASE evidence;
CREATE DATABASE casework;
