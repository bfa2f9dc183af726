<?php
// Installs the site and its people, in the site's folder. Prints each one's application password as JSON.
define('WP_INSTALLING', true);
$_SERVER['HTTP_HOST'] = parse_url(getenv('WORDPRESS_URL'), PHP_URL_HOST) . ':' . parse_url(getenv('WORDPRESS_URL'), PHP_URL_PORT);
require 'wp-load.php';
require 'wp-admin/includes/upgrade.php';
function wp_new_blog_notification() {} // it would send a mail
wp_install('A council', 'admin', 'admin@example.gov.uk', true, '', wp_generate_password());
update_option('permalink_structure', '/%postname%/');
flush_rewrite_rules();
$passwords = [];
foreach (['admin' => null, 'alice' => 'editor', 'dana' => 'administrator', 'collector' => 'administrator'] as $login => $role) {
    $user = get_user_by('login', $login);
    $id = $user ? $user->ID : wp_insert_user(['user_login' => $login, 'user_email' => "$login@example.gov.uk", 'user_pass' => wp_generate_password(), 'role' => $role]);
    $passwords[$login] = WP_Application_Passwords::create_new_application_password($id, ['name' => 'test'])[0];
}
echo json_encode($passwords);
